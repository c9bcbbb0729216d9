import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { sha256 } from '../platform/sha256.ts';

const CIPHER = 'aes-256-gcm';
const NONCE_LENGTH = 12;
const TAG_LENGTH = 16;

/**
 * An interaction carries other artifacts' values: the session's cookie, a pushed request's id, its own id inside the
 * address to return to. So its payload is readable only with its own id, which the browser holds and the database does not.
 */
export function sealInteraction(id: string, payload: string): string {
  const nonce = randomBytes(NONCE_LENGTH);
  const cipher = createCipheriv(CIPHER, keyOf(id), nonce);
  const sealed = Buffer.concat([nonce, cipher.update(payload, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return JSON.stringify(sealed.toString('base64'));
}

/** @throws when the row was altered or belongs to another interaction */
export function openInteraction(id: string, stored: string): string {
  const sealed = Buffer.from(JSON.parse(stored), 'base64');
  const decipher = createDecipheriv(CIPHER, keyOf(id), sealed.subarray(0, NONCE_LENGTH));
  decipher.setAuthTag(sealed.subarray(-TAG_LENGTH));
  return decipher.update(sealed.subarray(NONCE_LENGTH, -TAG_LENGTH), undefined, 'utf8') + decipher.final('utf8');
}

/** The id has 256 random bits, so one hash derives a key. */
function keyOf(id: string): Buffer {
  return sha256(`sealed interaction:${id}`);
}
