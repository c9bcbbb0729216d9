import { CHECK_LENGTH, hasRightChecksum, randomLetters, withChecksum } from '../platform/base62.ts';
import { SecretText } from '../platform/secret-text.ts';
import { sha256 } from '../platform/sha256.ts';

declare const brand: unique symbol;

/** A value of the right shape and with the right checksum, in clear. Whether it is anybody's key only the database knows. */
export type ApiKeyText = string & { readonly [brand]: 'ApiKeyText' };

/** 30 letters of 62 are 178 bits. */
const RANDOM_LENGTH = 30;
const HINT_LENGTH = 4;

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
  return new ApiKeyValue(withChecksum(prefix + randomLetters(RANDOM_LENGTH)) as ApiKeyText);
}

export type ParsedValue = { kind: 'api_key'; value: ApiKeyText } | { kind: 'malformed' } | { kind: 'checksum' };

/** Recognises the shape and then the checksum, without asking anybody. */
export function createApiKeyParser(prefix: string): (presented: string) => ParsedValue {
  const pattern = apiKeyPattern(prefix);
  return (presented) => {
    if (!pattern.test(presented)) return { kind: 'malformed' };
    return hasRightChecksum(presented) ? { kind: 'api_key', value: presented as ApiKeyText } : { kind: 'checksum' };
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
