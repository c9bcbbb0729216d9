import { createPublicKey, type KeyObject } from 'node:crypto';
import type { JWK } from 'jose';
import type { Algorithm, SigningKeyPair } from './key-pair.ts';
import { createSigner, type Signer } from './signer.ts';

/** One published key. It verifies; only an active one signs. */
export interface PublishedKey {
  /** @see RFC 7638 */
  kid: string;
  algorithm: Algorithm;
  publicJwk: JWK;
  publicKey: KeyObject;
  sign?: Signer;
}

/** A key set is a value: another one means another engine. In the order of publication; of an algorithm, one key signs. */
export interface SigningKeySet {
  /** Counts up with each change of a key or a secret. */
  version: number;
  keys: readonly PublishedKey[];
  /** Not published any more: they verify the ID token that names who signs out. */
  hints: readonly PublishedKey[];
}

export function signingKeyOf({ kid, algorithm, publicJwk, privateKey }: SigningKeyPair): PublishedKey {
  return { ...publishedKeyOf({ kid, algorithm, publicJwk }), sign: createSigner(algorithm, privateKey) };
}

const TYPES: Record<Algorithm, string> = { RS256: 'rsa', PS256: 'rsa', ES256: 'ec', EdDSA: 'ed25519' };

/** A key that signs no more, or not yet. @throws when it is no public key of that algorithm and name */
export function publishedKeyOf(key: Pick<PublishedKey, 'kid' | 'algorithm' | 'publicJwk'>): PublishedKey {
  const { kid, algorithm, publicJwk } = key;
  const publicKey = createPublicKey({ key: publicJwk as never, format: 'jwk' });
  const isRight = publicKey.asymmetricKeyType === TYPES[algorithm] && publicJwk.kid === kid && !('d' in publicJwk);
  if (!isRight) throw new Error(`${kid} is no public half of a key for ${algorithm}`);
  return { kid, algorithm, publicJwk, publicKey };
}
