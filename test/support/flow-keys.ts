import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { calculateJwkThumbprint, type JWK } from 'jose';
import type { SigningKeySet } from '../../src/signing-keys/signing-keys.ts';

/** A key set as the service makes it, without a database, and with RSA keys that are made quickly. */
export async function makeSigningKeys(): Promise<SigningKeySet> {
  const rsa = () => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const privateKeys = {
    RS256: rsa(),
    PS256: rsa(),
    ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
    EdDSA: generateKeyPairSync('ed25519').privateKey,
  };
  const jwks = await Promise.all(
    Object.entries(privateKeys).map(async ([alg, key]): Promise<JWK> => {
      const jwk = key.export({ format: 'jwk' }) as JWK;
      return { ...jwk, alg, use: 'sig', kid: await calculateJwkThumbprint(jwk) };
    }),
  );
  return { jwks, publicJwks: { keys: jwks.map(({ d, p, q, dp, dq, qi, ...jwk }) => jwk) } };
}

export function makeSecrets() {
  const secret = () => randomBytes(32);
  return {
    cookieKeys: [secret().toString('base64url'), secret().toString('base64url')],
    dpopNonceSecret: secret(),
    refreshSuccessorKey: secret(),
  };
}
