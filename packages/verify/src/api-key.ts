import { crc32 } from 'node:zlib';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const CHECK_LENGTH = 6;

/** `key`: worth asking the provider about. `mistyped`: meant to be one, and none. `other`: something else, a token perhaps. */
export type KeyShape = 'key' | 'mistyped' | 'other';

/**
 * Recognises API keys without asking anybody: the prefix, 30 random characters and 6 of a checksum, which spares the
 * provider questions about typing errors. It is no security: anybody can compute it.
 *
 * @throws TypeError when no key can begin so
 */
export function createKeyRecognizer(prefix: string): (credential: string) => KeyShape {
  if (!/^[a-z0-9][a-z0-9_-]{0,18}[-_]$/.test(prefix)) {
    throw new TypeError(
      `apiKeys.prefix must be 2 to 20 of a-z, 0-9, "-" and "_", ending in "-" or "_"; got "${prefix}"`,
    );
  }
  const pattern = new RegExp(`^${prefix}[0-9A-Za-z]{36}$`);
  return (credential) => {
    if (!credential.startsWith(prefix)) return 'other';
    return pattern.test(credential) && hasRightChecksum(credential) ? 'key' : 'mistyped';
  };
}

/** CRC-32 of everything before it, in base62, padded with zeros on the left. */
function hasRightChecksum(key: string): boolean {
  let rest = crc32(key.slice(0, -CHECK_LENGTH));
  let check = '';
  for (let index = 0; index < CHECK_LENGTH; index++) {
    check = ALPHABET.charAt(rest % ALPHABET.length) + check;
    rest = Math.floor(rest / ALPHABET.length);
  }
  return key.endsWith(check);
}
