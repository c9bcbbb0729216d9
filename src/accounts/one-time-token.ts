import { randomBytes } from 'node:crypto';
import { sha256 } from '../platform/sha256.ts';

/** 256 random bits in a path segment. */
const SHAPE = /^[\w-]{43}$/;

declare const brand: unique symbol;
/** Whoever has it may do the one thing it was made for. */
export type OneTimeToken = string & { readonly [brand]: true };

export function generateOneTimeToken(): OneTimeToken {
  return randomBytes(32).toString('base64url') as OneTimeToken;
}

export function parseOneTimeToken(text: string): OneTimeToken | undefined {
  return SHAPE.test(text) ? (text as OneTimeToken) : undefined;
}

/** All that is kept. */
export function digestOfOneTimeToken(token: OneTimeToken): Buffer {
  return sha256(`one-time-link:${token}`);
}
