import { generateKeyPairSync } from 'node:crypto';
import { beforeEach, describe, expect, test } from '@jest/globals';
import type { FlattenedJWSInput, JWTVerifyGetKey } from 'jose';
import { createPublishedKeys } from '../../src/upstreams/published-keys.ts';

const HOUR = 3_600_000;
const jwk = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' });
const published = (...kids: string[]) => ({ keys: kids.map((kid) => ({ ...jwk, kid, alg: 'RS256', use: 'sig' })) });

let now: number;
let answer: () => Promise<unknown>;
let asked: number;
let keyOf: JWTVerifyGetKey;

beforeEach(() => {
  now = 0;
  asked = 0;
  answer = async () => published('a');
  keyOf = createPublishedKeys({
    now: () => now,
    read() {
      asked += 1;
      return answer();
    },
  });
});

/** What somebody whose token names this key gets. */
const find = async (kid: string, alg = 'RS256') => {
  try {
    await keyOf({ alg, kid }, {} as FlattenedJWSInput);
    return 'found';
  } catch (error) {
    return (error as { code?: string; message: string }).code ?? (error as Error).message;
  }
};
const UNKNOWN = 'ERR_JWKS_NO_MATCHING_KEY';
const isDown = async () => {
  throw new Error('down');
};

describe('S-109 a key that is not known', () => {
  test('makes us ask once in half a minute, whoever presents however many', async () => {
    expect(await find('a')).toBe('found');
    now += 30_000;
    expect(await Promise.all(['b', 'c', 'd', 'e'].map((kid) => find(kid)))).toEqual([
      UNKNOWN,
      UNKNOWN,
      UNKNOWN,
      UNKNOWN,
    ]);
    expect(asked).toBe(2);
    for (let count = 0; count < 100; count++) expect(await find(`made-up-${count}`)).toBe(UNKNOWN);
    now += 29_999;
    expect(await find('f')).toBe(UNKNOWN);
    expect(asked).toBe(2);
    now += 1;
    expect(await find('f')).toBe(UNKNOWN);
    expect(asked).toBe(3);
  });

  test('is found by all who wait for the same answer', async () => {
    await find('a');
    now += 30_000;
    answer = async () => published('a', 'b');
    expect(await Promise.all([find('b'), find('b'), find('a')])).toEqual(['found', 'found', 'found']);
    expect(asked).toBe(2);
  });

  test('costs those with known keys nothing while the provider is down', async () => {
    await find('a');
    now += 30_000;
    answer = isDown;
    expect(await find('b')).toBe('down');
    expect(await find('b')).toBe(UNKNOWN);
    expect(await find('a')).toBe('found');
    expect(asked).toBe(2);
  });
});

describe('S-108 keys that are known', () => {
  test('are read anew after an hour without anybody waiting; one that was taken back ends then', async () => {
    await find('a');
    now += HOUR + 1;
    let finish = (_value: unknown) => {};
    answer = () =>
      new Promise((resolve) => {
        finish = resolve;
      });
    expect(await find('a')).toBe('found');
    expect(await find('a')).toBe('found');
    expect(asked).toBe(2);
    finish(published('b'));
    expect(await find('b')).toBe('found');
    expect(await find('a')).toBe(UNKNOWN);
  });

  test('serve for a day when they cannot be read, asked for twice a minute at most', async () => {
    await find('a');
    answer = isDown;
    for (let hours = 1; hours < 24; hours++) {
      now += HOUR;
      expect(await find('a')).toBe('found');
      expect(await find('a')).toBe('found');
    }
    expect(asked).toBeLessThanOrEqual(24);
    now += HOUR + 1;
    expect(await find('a')).toBe('down');
  });

  test.each<[what: string, garbage: unknown]>([
    ['nothing', {}],
    ['a list', []],
    ['text', 'keys'],
    ['keys that are no objects', { keys: ['a'] }],
    ['null', null],
  ])('are not forgotten for an answer that is %s', async (_what, garbage) => {
    await find('a');
    answer = async () => garbage;
    now += HOUR + 1;
    expect(await find('a')).toBe('found');
    expect(await find('a')).toBe('found');
    expect(asked).toBe(2);
  });
});

test('before any were read, everybody waits for one and the same answer', async () => {
  let finish = (_value: unknown) => {};
  answer = () =>
    new Promise((resolve) => {
      finish = resolve;
    });
  const waiting = Promise.all([find('a'), find('a'), find('x')]);
  finish(published('a'));
  expect(await waiting).toEqual(['found', 'found', UNKNOWN]);
  expect(asked).toBe(1);
});

test('a failed first reading is not remembered', async () => {
  answer = isDown;
  expect(await find('a')).toBe('down');
  answer = async () => published('a');
  expect(await find('a')).toBe('found');
});
