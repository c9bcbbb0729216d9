import { randomBytes } from 'node:crypto';
import { sha256 } from '../platform/sha256.ts';

/** A browser that several people share carries one secret for each of them. */
const MOST = 4;
const SECRET = /^[\w-]{43}$/;

/** The secrets in a device token, newest first; what does not look like one is left out. */
export function parseDeviceToken(token: string | undefined): string[] {
  if (token === undefined) return [];
  return token
    .split('.', MOST)
    .filter((secret) => SECRET.test(secret))
    .slice(0, MOST);
}

/**
 * The token with a new secret in front. Never one that the browser brought: it may have been planted there by somebody
 * who knows it. S-150
 */
export function renewDeviceToken(secrets: string[]): { token: string; secret: string } {
  const secret = randomBytes(32).toString('base64url');
  return { token: formatDeviceToken([secret, ...secrets].slice(0, MOST)), secret };
}

export function formatDeviceToken(secrets: string[]): string {
  return secrets.join('.');
}

/** All that is kept of a secret. */
export function digestOfDeviceSecret(secret: string): Buffer {
  return sha256(`device:${secret}`);
}
