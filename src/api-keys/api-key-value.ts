import { randomFillSync } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { SecretText } from '../platform/secret-text.ts';
import { sha256 } from '../platform/sha256.ts';

declare const brand: unique symbol;

/** A value of the right shape and with the right checksum, in clear. Whether it is anybody's key only the database knows. */
export type ApiKeyText = string & { readonly [brand]: 'ApiKeyText' };

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const CODES = Buffer.from(ALPHABET, 'latin1');
/** 30 letters of 62 are 178 bits. */
const RANDOM_LENGTH = 30;
const CHECK_LENGTH = 6;
const HINT_LENGTH = 4;

/** The largest multiple of 62 in a byte: what is above would make the first letters likelier than the others. */
const UNBIASED = 256 - (256 % ALPHABET.length);

const PREFIX = /^[a-z0-9][a-z0-9_-]{0,18}[-_]$/;

/** Letters and digits, ending in `-` or `_`, so that people see where it ends and scanners where it begins. */
export function isApiKeyPrefix(text: string): boolean {
  return PREFIX.test(text);
}

/** What scanners for leaked secrets may look for; the checksum then sorts out almost all false alarms. */
export function apiKeyPattern(prefix: string): RegExp {
  return new RegExp(`^${prefix}[0-9A-Za-z]{${RANDOM_LENGTH + CHECK_LENGTH}}$`);
}

/** A key that was just made. Its value is to be shown once, to whoever made it. */
export class ApiKeyValue extends SecretText<ApiKeyText> {
  constructor(value: ApiKeyText) {
    super(value, '[api key]');
  }
}

/** Prefix, 178 random bits, and a checksum that catches typing errors and false alarms offline (it is not security). */
export function generateApiKeyValue(prefix: string): ApiKeyValue {
  const body = prefix + randomLetters(RANDOM_LENGTH);
  return new ApiKeyValue((body + checksumOf(body)) as ApiKeyText);
}

export type ParsedValue = { kind: 'api_key'; value: ApiKeyText } | { kind: 'malformed' } | { kind: 'checksum' };

/** Recognises the shape and then the checksum, without asking anybody. */
export function createApiKeyParser(prefix: string): (presented: string) => ParsedValue {
  const pattern = apiKeyPattern(prefix);
  return (presented) => {
    if (!pattern.test(presented)) return { kind: 'malformed' };
    const isRight = checksumOf(presented.slice(0, -CHECK_LENGTH)) === presented.slice(-CHECK_LENGTH);
    return isRight ? { kind: 'api_key', value: presented as ApiKeyText } : { kind: 'checksum' };
  };
}

/** What is stored: 178 random bits need no slow hash, and whoever reads the table can present nothing of it. S-070 */
export function digestOfApiKey(value: ApiKeyText): Buffer {
  return sha256(value);
}

/** The last four characters, for telling keys apart on a screen. */
export function hintOfApiKey(value: ApiKeyText): string {
  return value.slice(-HINT_LENGTH);
}

/** By rejection: each letter is as likely as any other. */
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

/** CRC-32 of everything before it, in base62, padded with zeros on the left. */
function checksumOf(body: string): string {
  let rest = crc32(body);
  let check = '';
  for (let index = 0; index < CHECK_LENGTH; index++) {
    check = ALPHABET[rest % ALPHABET.length] + check;
    rest = Math.floor(rest / ALPHABET.length);
  }
  return check;
}
