import { type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { sha256 } from '../platform/sha256.ts';
import { untrusted } from './failure.ts';

/** Both are documented, and both have been seen. */
export const GOOGLE_ISSUERS = ['https://accounts.google.com', 'accounts.google.com'];

/** Seconds that clocks may differ. */
const LEEWAY = 60;
/** It comes straight from the token endpoint. */
const OLDEST = 10 * 60;

export interface ExpectedIdToken {
  keys: JWTVerifyGetKey;
  clientId: string;
  nonce: string;
  accessToken: string;
}

/**
 * The claims of a Google ID token after every check there is. S-097
 * @throws UpstreamFailure or an error of jose
 * @see OpenID Connect Core 3.1.3.7 and 3.1.3.8
 */
export async function verifyGoogleIdToken(
  idToken: unknown,
  { keys, clientId, nonce, accessToken }: ExpectedIdToken,
): Promise<JWTPayload & { sub: string }> {
  if (typeof idToken !== 'string') throw untrusted('token answer without id_token');
  const { payload } = await jwtVerify(idToken, keys, {
    // Google signs with nothing else; a list that the token cannot widen.
    algorithms: ['RS256'],
    issuer: GOOGLE_ISSUERS,
    audience: clientId,
    requiredClaims: ['sub', 'exp', 'iat', 'nonce'],
    clockTolerance: LEEWAY,
    maxTokenAge: OLDEST,
  });
  const { sub, azp, aud, nonce: sentBack, at_hash: boundTo } = payload;
  if (sentBack !== nonce) throw untrusted('ID token: nonce');
  // One for several audiences says who asked for it.
  const isForOthersToo = Array.isArray(aud) && aud.length > 1;
  if ((azp !== undefined || isForOthersToo) && azp !== clientId) throw untrusted('ID token: azp');
  if (boundTo !== undefined && boundTo !== leftHalf(accessToken)) throw untrusted('ID token: at_hash');
  if (typeof sub !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(sub)) throw untrusted('ID token: sub');
  return payload as JWTPayload & { sub: string };
}

function leftHalf(accessToken: string): string {
  return sha256(accessToken).subarray(0, 16).toString('base64url');
}
