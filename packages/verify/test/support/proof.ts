import { createHash, createPublicKey, randomUUID } from 'node:crypto';
import { NOW, type SigningKey, sha256, signJwt } from './issuer.ts';

export const TARGET = 'https://api.example/things';

/** The JWK as a proof carries it. */
export function publicJwk(key: SigningKey): Record<string, unknown> {
  return createPublicKey(key.privateKey).export({ format: 'jwk' }) as Record<string, unknown>;
}

/** RFC 7638, for the key types of these tests; the verifier uses jose's. */
export function thumbprint(key: SigningKey): string {
  const { crv, e, kty, n, x, y } = publicJwk(key);
  return createHash('sha256').update(JSON.stringify({ crv, e, kty, n, x, y })).digest('base64url');
}

export interface ProofEdits {
  header?: Record<string, unknown>;
  claims?: Record<string, unknown>;
}

/** A DPoP proof for a GET of TARGET with this access token, or what the edits make of it. */
export function createProof(key: SigningKey, accessToken: string, { header, claims }: ProofEdits = {}): string {
  return signJwt(
    key,
    { typ: 'dpop+jwt', alg: key.alg, jwk: publicJwk(key), ...header },
    { jti: randomUUID(), htm: 'GET', htu: TARGET, iat: NOW, ath: sha256(accessToken), ...claims },
  );
}
