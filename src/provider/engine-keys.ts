import type { PublishedKey, SigningKeySet } from '../signing-keys/key-set.ts';
import { ExternalSigningKey } from './engine.ts';

/**
 * The keys as the engine takes them: it hands over what is to be signed and never sees a private half, so a key that only
 * verifies needs none, and one in a security module needs nothing else (docs/decisions/0012). Keys that are published no more are
 * among them for the ID tokens that come back as hints, the only thing that the engine verifies with keys of ours.
 */
export function engineKeys({ keys, hints }: SigningKeySet): ExternalSigningKey[] {
  return [...keys, ...hints].map((key) => new EngineKey(key));
}

class EngineKey extends ExternalSigningKey {
  readonly #key: PublishedKey;

  constructor(key: PublishedKey) {
    super();
    this.#key = key;
  }

  override get kid() {
    return this.#key.kid;
  }

  override get alg() {
    return this.#key.algorithm;
  }

  /** What keeps the engine from choosing it to sign. @see RFC 7517 4.3 */
  override get key_ops() {
    return this.#key.sign ? undefined : ['verify'];
  }

  override keyObject() {
    return this.#key.publicKey;
  }

  override sign(signingInput: Buffer) {
    if (!this.#key.sign) throw new Error(`signing key ${this.#key.kid} does not sign`);
    return this.#key.sign(signingInput);
  }
}
