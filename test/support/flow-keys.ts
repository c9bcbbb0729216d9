import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { calculateJwkThumbprint, type JWK } from 'jose';
import type { Algorithm } from '../../src/signing-keys/key-pair.ts';
import { publishedKeyOf, type SigningKeySet, signingKeyOf } from '../../src/signing-keys/key-set.ts';

/** A key set as the service makes it, without a database, and with RSA keys that are made quickly. */
export async function makeSigningKeys(): Promise<SigningKeySet> {
  const rsa = () => generateKeyPairSync('rsa', { modulusLength: 2048 });
  const pairs: Record<Algorithm, { publicKey: KeyObject; privateKey: KeyObject }> = {
    RS256: rsa(),
    PS256: rsa(),
    ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    EdDSA: generateKeyPairSync('ed25519'),
  };
  const keys = Object.entries(pairs).map(async ([alg, { publicKey, privateKey }]) => {
    const jwk = publicKey.export({ format: 'jwk' }) as JWK;
    const kid = await calculateJwkThumbprint(jwk);
    return signingKeyOf({
      kid,
      algorithm: alg as Algorithm,
      publicJwk: { ...jwk, alg, use: 'sig', kid },
      privateKey,
    });
  });
  return { version: 1, keys: await Promise.all(keys), hints: [] };
}

/** The new keys sign; those before are published for as long as what they signed is valid. */
export function followedBy(before: SigningKeySet, next: SigningKeySet): SigningKeySet {
  return { ...next, version: before.version + 1, keys: [...next.keys, ...before.keys.map(publishedKeyOf)] };
}

export function makeSecrets() {
  const secret = () => randomBytes(32);
  return {
    cookieKeys: [secret().toString('base64url'), secret().toString('base64url')],
    dpopNonceSecrets: [secret()],
    refreshSuccessorKey: secret(),
  };
}
