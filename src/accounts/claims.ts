import type { Account } from './account.ts';

/**
 * The standard claims of a person; which of them are given is decided by scope and consent. What is unknown is left out, not null.
 * `email_verified` is true only where a provider said so as its person came in or was linked: no address is proven here yet. S-085
 * @see OpenID Connect Core 1.0 section 5.1
 */
export function claimsOf(account: Account): Record<string, unknown> {
  const { id, name, givenName, familyName, userName, picture, locale, zoneinfo, email, updatedAt } = account;
  const claims = {
    sub: id,
    name,
    given_name: givenName,
    family_name: familyName,
    preferred_username: userName,
    picture,
    locale,
    zoneinfo,
    updated_at: Math.floor(updatedAt.getTime() / 1000),
    email: email?.address,
    email_verified: email?.verified,
  };
  return Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined));
}
