import { ownApiIdentifier } from '../api-keys/own-api.ts';
import { digestOf } from './artifact-identity.ts';
import { generationOfGrant } from './existing-grant.ts';
import type { ServiceAccountClients } from './service-account-clients.ts';

/** In tokens for our own API alone: under which grant it was issued, and which number of its person's access. No secrets. */
export const GRANT_CLAIM = 'daemun_grant';
export const GENERATION_CLAIM = 'daemun_generation';
/** The id of the API key that it was made of. */
export const API_KEY_CLAIM = 'daemun_api_key';

const added = new WeakMap<object, Record<string, unknown>>();

/** Further claims of a token that is about to be issued. Those of the protocol cannot be replaced by them. S-086 */
export function addClaims(token: object, claims: Record<string, unknown>): void {
  added.set(token, { ...added.get(token), ...claims });
}

/**
 * What access tokens say beyond RFC 9068. A JWT cannot be taken back; for our own API, which can look, it therefore names what has to
 * stand still: so ending a session, a consent or a person's access ends these tokens too. S-064, S-158
 */
export function createTokenClaims(issuer: string, { subjectOf }: Pick<ServiceAccountClients, 'subjectOf'>) {
  const identifier = ownApiIdentifier(issuer);
  return async function claimsOfToken(token: object): Promise<Record<string, unknown> | undefined> {
    const { aud, grantId } = token as { aud?: unknown; grantId?: string };
    const subject = await subjectOf(token);
    const more = subject === undefined ? added.get(token) : { ...added.get(token), sub: subject };
    if (aud !== identifier || grantId === undefined) return more;
    return {
      ...more,
      [GRANT_CLAIM]: digestOf('Grant', grantId).toString('hex'),
      [GENERATION_CLAIM]: generationOfGrant(grantId),
    };
  };
}
