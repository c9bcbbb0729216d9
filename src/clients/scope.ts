/** Scopes about the person who signs in; every other scope belongs to a resource server. @see OpenID Connect Core 5.4, 11 */
export const IDENTITY_SCOPES: readonly string[] = ['openid', 'offline_access', 'profile', 'email', 'address', 'phone'];

/** @see RFC 6749 3.3 */
const SCOPE_NAME = /^[\x21\x23-\x5b\x5d-\x7e]{1,100}$/;

export function isScopeName(name: string): boolean {
  return SCOPE_NAME.test(name);
}

/** The names in a `scope` member or parameter. */
export function scopeNames(scope: string): string[] {
  return scope.split(' ').filter(Boolean);
}

/** A client's `scope` covers both kinds: what it may learn about people, and what it may ask of its resource servers. */
export function splitScope(scope: string): { identity: string[]; resource: string[] } {
  const names = scopeNames(scope);
  return {
    identity: names.filter((name) => IDENTITY_SCOPES.includes(name)),
    resource: names.filter((name) => !IDENTITY_SCOPES.includes(name)),
  };
}
