import { errors, type JWTPayload, jwtVerify } from 'jose';
import type { Pool } from 'pg';
import { ownApiIdentifier } from '../api-keys/own-api.ts';
import type { VerificationCause } from '../audit/observations.ts';
import { preparedStatement } from '../platform/database/prepared-statement.ts';
import type { SigningKeySet } from '../signing-keys/key-set.ts';
import { API_KEY_CLAIM, GENERATION_CLAIM, GRANT_CLAIM } from './token-claims.ts';

/** An access token that we issued for our own API. Whether its subject may still do something is for the caller to look at. */
export interface OwnAccessToken {
  subject: string;
  clientId: string;
  scopes: string[];
  expiresAt: Date;
  /** Under which number of the person's access it was issued; absent: not for a person who agreed to it. */
  accessGeneration?: number;
  /** The API key that it was exchanged for. */
  apiKey?: string;
  /** The client that acts for the subject. */
  actor?: string;
}

export type CheckOwnAccessToken = (token: string) => Promise<OwnAccessToken | { refused: VerificationCause }>;

export interface OwnAccessTokensOptions {
  issuer: string;
  pool: Pool;
  /** As they are now: what a revoked key signed is not accepted. S-082 */
  keys: () => Pick<SigningKeySet, 'keys'>;
}

/** Seconds that clocks of our own nodes may differ. */
const TOLERANCE = 5;
const DIGEST = /^[0-9a-f]{64}$/;

const GRANT_STANDS = `SELECT 1 FROM protocol_artifacts WHERE id = decode($1, 'hex') AND kind = 'Grant' AND revoked_at IS NULL`;

/**
 * Verifies them in this process, without asking ourselves over HTTP: RFC 9068 as any resource server would, and then, since we can,
 * whether the grant stands that it was issued under.
 */
export function createOwnAccessTokens({ issuer, pool, keys }: OwnAccessTokensOptions): CheckOwnAccessToken {
  const audience = ownApiIdentifier(issuer);
  const grantStands = preparedStatement<{ one: number }>(pool, 'own-access-tokens.grant', GRANT_STANDS);

  return async function checkOwnAccessToken(token) {
    let claims: JWTPayload;
    try {
      const { payload } = await jwtVerify(token, keyOf, {
        issuer,
        audience,
        typ: 'at+jwt',
        algorithms: ['ES256', 'RS256', 'PS256', 'EdDSA'],
        clockTolerance: TOLERANCE,
        requiredClaims: ['sub', 'exp', 'iat', 'jti', 'client_id'],
      });
      claims = payload;
    } catch (error) {
      return { refused: causeOf(error as { code?: string }) };
    }
    const { sub, client_id, scope = '', exp, aud, act, cnf } = claims as JWTPayload & Record<string, unknown>;
    if (typeof client_id !== 'string' || typeof scope !== 'string' || typeof sub !== 'string' || aud !== audience) {
      return { refused: 'claims' };
    }
    // Bound to a key whose proof nobody looks at here: taking it as a bearer token would undo the binding (RFC 9449 7.2).
    if (cnf !== undefined) return { refused: 'binding' };
    const { [GRANT_CLAIM]: grant, [GENERATION_CLAIM]: generation, [API_KEY_CLAIM]: apiKey } = claims;
    if (grant !== undefined && !(typeof grant === 'string' && DIGEST.test(grant))) return { refused: 'claims' };
    if (typeof grant === 'string' && (await grantStands([grant])).length === 0) return { refused: 'unknown' };
    const actor = (act as { sub?: unknown } | undefined)?.sub;
    return {
      subject: sub,
      clientId: client_id,
      scopes: scope.split(' ').filter(Boolean),
      expiresAt: new Date(1000 * exp!),
      ...(typeof generation === 'number' && { accessGeneration: generation }),
      ...(typeof apiKey === 'string' && { apiKey }),
      ...(typeof actor === 'string' && { actor }),
    };
  };

  function keyOf({ kid, alg }: { kid?: string; alg?: string }) {
    const key = keys().keys.find((one) => one.kid === kid && one.algorithm === alg);
    if (!key) throw new errors.JWKSNoMatchingKey();
    return key.publicKey;
  }
}

const CAUSES = new Map<string, VerificationCause>([
  ['ERR_JWT_EXPIRED', 'expired'],
  ['ERR_JWS_SIGNATURE_VERIFICATION_FAILED', 'signature'],
  ['ERR_JWKS_NO_MATCHING_KEY', 'unknown_key'],
  ['ERR_JWT_CLAIM_VALIDATION_FAILED', 'claims'],
]);

function causeOf({ code = '' }: { code?: string }): VerificationCause {
  return CAUSES.get(code) ?? 'form';
}
