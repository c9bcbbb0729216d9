const MAX_LENGTH = 500;
const FORBIDDEN_SCHEMES = new Set(['javascript:', 'data:', 'file:', 'blob:', 'about:', 'vbscript:']);

/**
 * Says what is wrong with a resource server's identifier, or nothing.
 * It is the `resource` parameter and the `aud` claim, so it is compared as text and must have one spelling.
 * @see RFC 8707 2
 */
export function resourceIdentifierProblem(identifier: string): string | undefined {
  if (identifier.length > MAX_LENGTH) return `must not be longer than ${MAX_LENGTH} characters`;
  if (/[^\x21-\x7e]/.test(identifier) || !URL.canParse(identifier)) {
    return 'must be an absolute URI such as https://api.example.com';
  }
  if (identifier.includes('#')) return 'must not have a fragment (#)';
  const { protocol, username, password, href } = new URL(identifier);
  if (FORBIDDEN_SCHEMES.has(protocol)) return `must not use the scheme ${protocol.slice(0, -1)}`;
  if (username || password) return 'must not carry a user name or password';
  return href === identifier || href === `${identifier}/` ? undefined : `must be written ${href}`;
}

/**
 * What two spellings of one identifier have in common: clients write the host in capitals, and add or leave out one
 * trailing slash. A token's audience is the registered spelling all the same.
 */
export function resourceKey(identifier: string): string {
  const href = URL.canParse(identifier) ? new URL(identifier).href : identifier;
  return href.replace(/\/$/, '');
}
