import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { calculateJwkThumbprint, type JWK } from 'jose';

/** A key set as the service makes it, without a database and with a small RSA key. */
export async function makeSigningKeys(): Promise<{ jwks: JWK[]; publicJwks: { keys: JWK[] } }> {
  const pairs = [
    generateKeyPairSync('rsa', { modulusLength: 2048 }),
    generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    generateKeyPairSync('ed25519'),
  ];
  const jwks = await Promise.all(
    pairs.map(async ({ privateKey }) => {
      const jwk = privateKey.export({ format: 'jwk' }) as JWK;
      return { ...jwk, use: 'sig', kid: await calculateJwkThumbprint(jwk) };
    }),
  );
  const publicJwks = { keys: jwks.map(({ d, p, q, dp, dq, qi, ...jwk }) => jwk) };
  return { jwks, publicJwks };
}

export function makeSecrets() {
  const secret = () => randomBytes(32);
  return {
    cookieKeys: [secret().toString('base64url'), secret().toString('base64url')],
    dpopNonceSecret: secret(),
    refreshSuccessorKey: secret(),
    csrfKey: secret(),
  };
}
