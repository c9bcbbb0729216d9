import { hash } from 'node:crypto';

/** By way of text: a small buffer of its own memory, which is what else there is to have, costs three times the hash. */
export function sha256(text: string): Buffer {
  return Buffer.from(hash('sha256', text, 'hex'), 'hex');
}
