import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import type { Attempt } from './upstream.ts';

const CIPHER = 'aes-256-gcm';
const NONCE_LENGTH = 12;
const TAG_LENGTH = 16;

/** What an attempt's row keeps beside its columns. */
export interface SealedAttempt extends Omit<Attempt, 'state'> {
  /** The uid of the interaction that began it. */
  interaction: string;
  /** The link that it shall prove the account of. */
  link?: string;
}

/**
 * Under a key that follows from the state, which the browser has and the database does not: a row alone gives nothing, and one
 * that was altered or moved opens for nobody.
 */
export function sealAttempt(state: string, attempt: SealedAttempt): Buffer {
  const nonce = randomBytes(NONCE_LENGTH);
  const cipher = createCipheriv(CIPHER, keyOf(state), nonce);
  return Buffer.concat([nonce, cipher.update(JSON.stringify(attempt)), cipher.final(), cipher.getAuthTag()]);
}

/** @throws when the row was altered or belongs to another state */
export function openAttempt(state: string, sealed: Buffer): SealedAttempt {
  const nonce = sealed.subarray(0, NONCE_LENGTH);
  const decipher = createDecipheriv(CIPHER, keyOf(state), nonce, { authTagLength: TAG_LENGTH });
  decipher.setAuthTag(sealed.subarray(-TAG_LENGTH));
  const plain = [decipher.update(sealed.subarray(NONCE_LENGTH, -TAG_LENGTH)), decipher.final()];
  return JSON.parse(Buffer.concat(plain).toString());
}

/** @see RFC 5869; the state has 256 random bits, so it needs no salt. */
function keyOf(state: string): Buffer {
  return Buffer.from(hkdfSync('sha256', state, '', 'upstream attempt', 32));
}
