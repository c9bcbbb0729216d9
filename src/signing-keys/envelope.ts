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
  /** Names the key-encryption key without telling anything about it. */
  kekId: string;
  /** `identity` is the row's, see `rowIdentity`. */
  seal(plain: Buffer, identity: string): Sealed;
  /** @throws when it was altered, comes from another row, or is under another key-encryption key */
  open(sealed: Sealed, identity: string): Buffer;
}

/** Bound into the ciphertext as associated data, so that none can be moved to another row, use or table. */
export function rowIdentity(table: string, id: string, use: string, version = 1): string {
  return JSON.stringify([table, id, use, version]);
}

/**
 * Envelope encryption: every secret under a random data key, the data key under the key-encryption key. Another
 * key-encryption key needs only the data keys wrapped anew.
 */
export function createKeyEncryption(key: Buffer): KeyEncryption {
  if (key.length !== KEY_LENGTH) throw new RangeError(`A key-encryption key has ${KEY_LENGTH} bytes.`);
  const kekId = createHash('sha256').update('key-encryption key:').update(key).digest('hex').slice(0, 16);
  return {
    kekId,
    seal(plain, identity) {
      const dataKey = randomBytes(KEY_LENGTH);
      return {
        ciphertext: encrypt(dataKey, plain, `secret:${identity}`),
        wrappedDataKey: encrypt(key, dataKey, `data key:${identity}`),
        kekId,
      };
    },
    open({ ciphertext, wrappedDataKey, kekId: sealedUnder }, identity) {
      if (sealedUnder !== kekId) throw new Error(`Sealed under key-encryption key ${sealedUnder}, not ${kekId}.`);
      return decrypt(decrypt(key, wrappedDataKey, `data key:${identity}`), ciphertext, `secret:${identity}`);
    },
  };
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
