import { createHash } from 'node:crypto';
import { expect, test } from '@jest/globals';
import {
  CLIENT_SECRET_PATTERN,
  digestOfClientSecret,
  generateClientSecret,
  hintOfClientSecret,
  isClientSecret,
  matchesClientSecret,
} from '../../src/clients/client-secret.ts';

test('S-045 a client secret has at least 256 random bits', () => {
  const secret = generateClientSecret();
  expect(secret).toMatch(CLIENT_SECRET_PATTERN);
  const random = secret.slice('dmn_cs_'.length, -6);
  expect(random.length * Math.log2(62)).toBeGreaterThanOrEqual(256);
});

test('S-045 the letters of client secrets are evenly spread', () => {
  const counts = new Map<string, number>();
  const rounds = 3000;
  for (let round = 0; round < rounds; round++) {
    for (const letter of generateClientSecret().slice('dmn_cs_'.length, -6)) {
      counts.set(letter, (counts.get(letter) ?? 0) + 1);
    }
  }
  const expected = (rounds * 43) / 62;
  const chiSquare = [...counts.values()].reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  expect(counts.size).toBe(62);
  // 61 degrees of freedom: a fair source exceeds 130 less than once in a million runs; a biased one is in the thousands.
  expect(chiSquare).toBeLessThan(130);
});

test('no two client secrets are the same', () => {
  expect(new Set(Array.from({ length: 1000 }, generateClientSecret)).size).toBe(1000);
});

test('a typing error in a client secret is recognised without asking anybody', () => {
  const secret = generateClientSecret();
  const swapped = secret.slice(0, 10) + (secret[10] === 'x' ? 'y' : 'x') + secret.slice(11);
  expect(isClientSecret(secret)).toBe(true);
  expect([swapped, secret.slice(0, -1), `${secret}0`, secret.toUpperCase(), ''].some(isClientSecret)).toBe(false);
});

test('S-045 what is stored of a client secret is its SHA-256, and its last four characters for display', () => {
  const secret = generateClientSecret();
  expect(digestOfClientSecret(secret)).toEqual(createHash('sha256').update(secret).digest());
  expect(hintOfClientSecret(secret)).toBe(secret.slice(-4));
});

test('S-045 any of several valid secrets matches, and nothing else does', () => {
  const [first, second, other] = [generateClientSecret(), generateClientSecret(), generateClientSecret()];
  const digests = [digestOfClientSecret(first), digestOfClientSecret(second)];
  expect(matchesClientSecret(first, digests)).toBe(true);
  expect(matchesClientSecret(second, digests)).toBe(true);
  expect(matchesClientSecret(other, digests)).toBe(false);
  expect(matchesClientSecret(first.slice(0, -1), digests)).toBe(false);
  expect(matchesClientSecret('', digests)).toBe(false);
  expect(matchesClientSecret(first, [])).toBe(false);
  expect(matchesClientSecret(first, [Buffer.alloc(0)])).toBe(false);
});
