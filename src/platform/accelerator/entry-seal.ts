import { createCipheriv, createDecipheriv, createHmac, createSecretKey, hkdfSync, randomBytes } from 'node:crypto';
import type { SharedEntry } from './cache.ts';

const CIPHER = 'aes-256-gcm';
const SALT_LENGTH = 16;
const TAG_LENGTH = 16;
/** Every entry has a key of its own, so there is nothing that a nonce would have to tell apart. */
const NONCE = Buffer.alloc(12);

export interface EntrySeal {
  /** What a key is called where others may read: it tells nobody which address or client it stands for. */
  nameOf(kind: string, name: string, key: string): string;
  /** For this place alone. */
  seal(place: string, entry: SharedEntry): string;
  /** Undefined when it was altered, or sealed for another place or by somebody else. */
  open(place: string, sealed: string): SharedEntry | undefined;
}

/** What leaves this service for a store that others may write to is read and believed by none but its own nodes. */
export function createEntrySeal(secret: Buffer): EntrySeal {
  const derive = (use: string) =>
    createSecretKey(Buffer.from(hkdfSync('sha256', secret, '', `daemun accelerator ${use}`, 32)));
  const [entriesKey, namesKey] = [derive('entries'), derive('names')];
  const keyFor = (place: string, salt: Buffer) => createHmac('sha256', entriesKey).update(salt).update(place).digest();

  return {
    nameOf(kind, name, key) {
      const digest = createHmac('sha256', namesKey).update(`${kind}:${name}:${key}`).digest();
      return `${kind}:${name}:${digest.toString('base64url', 0, 18)}`;
    },

    seal(place, { readAt, value }) {
      const salt = randomBytes(SALT_LENGTH);
      const cipher = createCipheriv(CIPHER, keyFor(place, salt), NONCE);
      const text = cipher.update(JSON.stringify([readAt, ...value]), 'utf8');
      return Buffer.concat([salt, text, cipher.final(), cipher.getAuthTag()]).toString('base64');
    },

    open(place, sealed) {
      const bytes = Buffer.from(sealed, 'base64');
      const end = bytes.length - TAG_LENGTH;
      if (end < SALT_LENGTH) return undefined;
      const decipher = createDecipheriv(CIPHER, keyFor(place, bytes.subarray(0, SALT_LENGTH)), NONCE, {
        authTagLength: TAG_LENGTH,
      }).setAuthTag(bytes.subarray(end));
      try {
        const text = Buffer.concat([decipher.update(bytes.subarray(SALT_LENGTH, end)), decipher.final()]);
        const [readAt, ...value] = JSON.parse(text.toString()) as [number, ...([] | [unknown])];
        return { readAt, value };
      } catch {
        return undefined;
      }
    },
  };
}
