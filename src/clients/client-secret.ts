import { timingSafeEqual } from 'node:crypto';
import { hasRightChecksum, randomLetters, withChecksum } from '../platform/base62.ts';
import { sha256 } from '../platform/sha256.ts';

declare const brand: unique symbol;

/** A client's secret in clear: exists between its making and the one time it is shown. */
export type ClientSecret = string & { readonly [brand]: 'ClientSecret' };

const PREFIX = 'dmn_cs_';
/** 43 letters of 62 are 256 bits. */
const RANDOM_LENGTH = 43;

/** What scanners for leaked secrets may look for. */
export const CLIENT_SECRET_PATTERN = /^dmn_cs_[0-9A-Za-z]{49}$/;

/** `dmn_cs_`, 256 random bits, and a check that catches typing errors and false alarms offline (it is not security). */
export function generateClientSecret(): ClientSecret {
  return withChecksum(PREFIX + randomLetters(RANDOM_LENGTH)) as ClientSecret;
}

/** Recognises the shape and the check; says nothing about whether anybody's secret it is. */
export function isClientSecret(value: string): value is ClientSecret {
  return CLIENT_SECRET_PATTERN.test(value) && hasRightChecksum(value);
}

/** What is stored. 256 random bits need no slow hash. */
export function digestOfClientSecret(secret: string): Buffer {
  return sha256(secret);
}

/** The last four characters, for telling secrets apart on a screen. */
export function hintOfClientSecret(secret: ClientSecret): string {
  return secret.slice(-4);
}

/** Compares with every valid secret, always all of them and each in constant time. */
export function matchesClientSecret(presented: string, digests: readonly Buffer[]): boolean {
  const digest = digestOfClientSecret(presented);
  let matches = false;
  for (const stored of digests) {
    if (stored.length === digest.length && timingSafeEqual(stored, digest)) matches = true;
  }
  return matches;
}
