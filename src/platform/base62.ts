import { randomFillSync } from 'node:crypto';
import { crc32 } from 'node:zlib';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const CODES = Buffer.from(ALPHABET, 'latin1');
/** The largest multiple of 62 in a byte: what is above would make the first letters likelier than the others. */
const UNBIASED = 256 - (256 % ALPHABET.length);

export const CHECK_LENGTH = 6;

/** By rejection: each letter is as likely as any other. Five letters are almost 30 bits. */
export function randomLetters(length: number): string {
  const letters = Buffer.allocUnsafe(length);
  // A quarter more than needed is enough almost always.
  const bytes = new Uint8Array(Math.ceil(length * 1.25));
  for (let count = 0; count < length; ) {
    randomFillSync(bytes);
    for (let at = 0; at < bytes.length && count < length; at++) {
      if (bytes[at]! < UNBIASED) letters[count++] = CODES[bytes[at]! % CODES.length]!;
    }
  }
  return letters.toString('latin1');
}

/** With six letters more: CRC-32 of everything before them, padded with zeros on the left. Finds typing errors; no security. */
export function withChecksum(body: string): string {
  let rest = crc32(body);
  let check = '';
  for (let index = 0; index < CHECK_LENGTH; index++) {
    check = ALPHABET[rest % ALPHABET.length] + check;
    rest = Math.floor(rest / ALPHABET.length);
  }
  return body + check;
}

export function hasRightChecksum(text: string): boolean {
  return withChecksum(text.slice(0, -CHECK_LENGTH)) === text;
}
