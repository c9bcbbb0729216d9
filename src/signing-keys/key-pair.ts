import { generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { CompactSign, calculateJwkThumbprint, compactVerify, type JWK } from 'jose';

const generate = promisify(generateKeyPair) as (
  type: string,
  options: object,
) => Promise<{ publicKey: KeyObject; privateKey: KeyObject }>;

/**
 * One key for each algorithm, also for the two that take RSA: a key that signs with one algorithm only can say so in the key
 * set, and nothing signed with the one can be passed off as the other (RFC 8725 section 3.1).
 */
export const ALGORITHMS = ['RS256', 'PS256', 'ES256', 'EdDSA'] as const;
export type Algorithm = (typeof ALGORITHMS)[number];

const RSA = { modulusLength: 3072, publicExponent: 0x10001 };

export interface SigningKeyPair {
  kid: string;
  algorithm: Algorithm;
  publicJwk: JWK;
  privateKey: KeyObject;
}

/** Runs in the thread pool: an RSA key takes up to a second, and the event loop has other things to start. */
export async function makeKeyPair(algorithm: Algorithm): Promise<SigningKeyPair> {
  const { publicKey, privateKey } = await {
    RS256: () => generate('rsa', RSA),
    PS256: () => generate('rsa', RSA),
    ES256: () => generate('ec', { namedCurve: 'P-256' }),
    EdDSA: () => generate('ed25519', {}),
  }[algorithm]();
  const bare = publicKey.export({ format: 'jwk' }) as JWK;
  const kid = await calculateJwkThumbprint(bare);
  const pair = { kid, algorithm, publicJwk: { ...bare, kid, alg: algorithm, use: 'sig' }, privateKey };
  await assertSigns(pair);
  return pair;
}

/** @throws when the halves do not belong together or the name is not the key's own (RFC 7638) */
export async function assertSigns({ kid, algorithm, publicJwk, privateKey }: SigningKeyPair): Promise<void> {
  const text = new TextEncoder().encode('self-test');
  const signed = await new CompactSign(text).setProtectedHeader({ alg: algorithm }).sign(privateKey);
  await compactVerify(signed, publicJwk, { algorithms: [algorithm] });
  if (kid !== (await calculateJwkThumbprint(publicJwk))) throw new Error('kid is not the thumbprint of the key');
}
