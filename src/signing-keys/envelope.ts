import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';

const CIPHER = 'aes-256-gcm';
const KEY_LENGTH = 32;
const NONCE_LENGTH = 12;
const TAG_LENGTH = 16;

/** What a row keeps of a secret. Each part is nonce ‖ ciphertext ‖ tag. */
export interface Sealed {
  ciphertext: Buffer;
  wrappedDataKey: Buffer;
  kekId: string;
}

export interface KeyEncryption {
  /** Names the key-encryption key that seals, without telling anything about it. */
  kekId: string;
  /** All that it opens with, the one that seals first. */
  kekIds: readonly string[];
  /** `identity` is the row's, see `rowIdentity`. */
  seal(plain: Buffer, identity: string): Sealed;
  /** @throws when it was altered, comes from another row, or is under another key-encryption key */
  open(sealed: Sealed, identity: string): Buffer;
  /**
   * The same under the key that seals now; undefined when it is already. The secret itself stays as it is.
   * @throws as `open` does
   */
  rewrap(sealed: Sealed, identity: string): Sealed | undefined;
}

/** Bound into the ciphertext as associated data, so that none can be moved to another row, use or table. */
export function rowIdentity(table: string, id: string, use: string, version = 1): string {
  return JSON.stringify([table, id, use, version]);
}

/**
 * Envelope encryption: every secret under a random data key, the data key under a key-encryption key. The first of these seals,
 * all open. Another one needs only the data keys wrapped anew.
 */
export function createKeyEncryption(keys: Buffer | readonly Buffer[]): KeyEncryption {
  const byId = new Map((Buffer.isBuffer(keys) ? [keys] : keys).map((key) => [idOf(key), key]));
  const [first] = byId;
  if (!first) throw new RangeError('There is no key-encryption key.');
  const [kekId, key] = first;

  function unwrap({ wrappedDataKey, kekId: sealedUnder }: Sealed, identity: string): Buffer {
    const opener = byId.get(sealedUnder);
    if (!opener)
      throw new Error(`Sealed under key-encryption key ${sealedUnder}; here is ${[...byId.keys()].join(', ')}.`);
    return decrypt(opener, wrappedDataKey, `data key:${identity}`);
  }

  const wrap = (dataKey: Buffer, identity: string) => encrypt(key, dataKey, `data key:${identity}`);
  const open = (sealed: Sealed, identity: string) =>
    decrypt(unwrap(sealed, identity), sealed.ciphertext, `secret:${identity}`);

  return {
    kekId,
    kekIds: [...byId.keys()],
    seal(plain, identity) {
      const dataKey = randomBytes(KEY_LENGTH);
      const ciphertext = encrypt(dataKey, plain, `secret:${identity}`);
      return { ciphertext, wrappedDataKey: wrap(dataKey, identity), kekId };
    },
    open,
    rewrap(sealed, identity) {
      if (sealed.kekId === kekId) return undefined;
      // What somebody altered or exchanged is not to look as if it had been found in order.
      open(sealed, identity);
      return { ciphertext: sealed.ciphertext, wrappedDataKey: wrap(unwrap(sealed, identity), identity), kekId };
    },
  };
}

function idOf(key: Buffer): string {
  if (key.length !== KEY_LENGTH) throw new RangeError(`A key-encryption key has ${KEY_LENGTH} bytes.`);
  return createHash('sha256').update('key-encryption key:').update(key).digest('hex').slice(0, 16);
}

function encrypt(key: Buffer, plain: Buffer, associated: string): Buffer {
  const nonce = randomBytes(NONCE_LENGTH);
  const cipher = createCipheriv(CIPHER, key, nonce).setAAD(Buffer.from(associated));
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function decrypt(key: Buffer, sealed: Buffer, associated: string): Buffer {
  if (sealed.length < NONCE_LENGTH + TAG_LENGTH) throw new Error('Sealed data is cut short.');
  const decipher = createDecipheriv(CIPHER, key, sealed.subarray(0, NONCE_LENGTH), { authTagLength: TAG_LENGTH });
  decipher.setAAD(Buffer.from(associated)).setAuthTag(sealed.subarray(-TAG_LENGTH));
  return Buffer.concat([decipher.update(sealed.subarray(NONCE_LENGTH, -TAG_LENGTH)), decipher.final()]);
}
