import type { Configuration } from './engine.ts';

/**
 * Which scope gives which claims; only what an account really has is offered. `acr`, `amr` and `auth_time` come with every
 * ID token, so that a relying party need not ask to learn how and when the person signed in. S-088
 * @see OpenID Connect Core 5.4
 */
const CLAIMS_BY_SCOPE: Record<string, string[]> = {
  openid: ['sub', 'acr', 'amr', 'auth_time'],
  profile: ['name', 'given_name', 'family_name', 'preferred_username', 'picture', 'locale', 'zoneinfo', 'updated_at'],
  email: ['email', 'email_verified'],
};

/**
 * The upstream that the person signed in with. No scope gives it, only the claims parameter: that somebody has an account there
 * is something about them, which they are asked to agree to like any other claim.
 */
export const UPSTREAM_CLAIM = 'idp';

export const CLAIMS: NonNullable<Configuration['claims']> = { ...CLAIMS_BY_SCOPE, [UPSTREAM_CLAIM]: null };

/** Scopes about the person; every other one belongs to a resource server. */
export const IDENTITY_SCOPES: readonly string[] = [
  ...new Set(['openid', 'offline_access', ...Object.keys(CLAIMS_BY_SCOPE)]),
];

/** Claims about the sign-in and the token itself: nobody is asked to agree to them. */
export const PROTOCOL_CLAIMS: readonly string[] = ['sub', 'sid', 'auth_time', 'acr', 'amr', 'iss'];
