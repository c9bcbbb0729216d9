import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { KEY_TIMES } from '../../src/config/keys.ts';
import { type ConfigError, type Environment, loadConfig } from '../../src/config/load.ts';
import { checkPolicy, DEFAULT_KEY_POLICY } from '../../src/signing-keys/timing.ts';

const load = (env: Environment) => loadConfig([], env);
const aKey = () => randomBytes(32).toString('base64');

function problemsOf(env: Environment): string[] {
  try {
    load(env);
  } catch (error) {
    return (error as ConfigError).problems.map(({ variable, message }) => `${variable} ${message}`);
  }
  return [];
}

test('the defaults, and the times that no setting changes, are those that keys live by', () => {
  expect({ ...KEY_TIMES, ...load({}).keys }).toEqual(DEFAULT_KEY_POLICY);
});

test('what is set is what keys live by', () => {
  const { keys } = load({
    DAEMUN_KEY_ROTATION_PERIOD: '90d',
    DAEMUN_KEY_CACHE_SUPPORT: '7d',
    DAEMUN_KEY_HINT_RETENTION: '365d',
  });
  expect(keys).toEqual({ rotationPeriod: 90 * 86_400, cacheSupport: 7 * 86_400, hintRetention: 365 * 86_400 });
});

describe('T ≥ W + D + L + S', () => {
  // C + D + S, then D + L + S: 3600 + 75 + 75 + 3600.
  const shortest = 7350;
  const env = (period: number, more: Environment = {}) => ({
    DAEMUN_KEY_ROTATION_PERIOD: `${period}`,
    DAEMUN_KEY_CACHE_SUPPORT: '1h',
    ...more,
  });

  test('holds to the second', () => {
    expect(problemsOf(env(shortest))).toEqual([]);
    expect(problemsOf(env(shortest - 1))).toEqual([
      `DAEMUN_KEY_ROTATION_PERIOD is ${shortest - 1} s and must be at least ${shortest} s: DAEMUN_KEY_CACHE_SUPPORT, the longest lifetime of tokens (3600 s) and 150 s`,
    ]);
  });

  test.each<[string, Environment]>([
    ['with longer ID tokens', { DAEMUN_ID_TOKEN_LIFETIME: '3601' }],
    ['with longer access tokens', { DAEMUN_ACCESS_TOKEN_LIFETIME: '2h' }],
    ['with older copies of the key set', { DAEMUN_KEY_CACHE_SUPPORT: '3601' }],
  ])('fails %s', (_how, more) => {
    expect(problemsOf(env(shortest, more))).toEqual([expect.stringMatching(/^DAEMUN_KEY_ROTATION_PERIOD is 7350 s/)]);
  });

  test('says the same as the rule that keys live by', () => {
    for (const cacheSupport of [300, 3600, 86_400]) {
      for (const token of [60, 900, 86_400]) {
        for (const off of [-1, 0]) {
          const rotationPeriod = cacheSupport + token + 150 + off;
          if (rotationPeriod < 3600) continue;
          const problems = problemsOf({
            DAEMUN_KEY_ROTATION_PERIOD: `${rotationPeriod}`,
            DAEMUN_KEY_CACHE_SUPPORT: `${cacheSupport}`,
            DAEMUN_ID_TOKEN_LIFETIME: `${token}`,
            DAEMUN_ACCESS_TOKEN_LIFETIME: '60',
          });
          const policy = { ...DEFAULT_KEY_POLICY, rotationPeriod, cacheSupport };
          expect(problems).toHaveLength(checkPolicy(policy, token).length);
          expect(problems).toHaveLength(off === 0 ? 0 : 1);
        }
      }
    }
  });
});

test('an ID token may be a hint for as long as it lives at least', () => {
  expect(problemsOf({ DAEMUN_KEY_HINT_RETENTION: '1h', DAEMUN_ID_TOKEN_LIFETIME: '2h' })).toEqual([
    'DAEMUN_KEY_HINT_RETENTION is 3600 s, shorter than tokens live (7200 s)',
  ]);
});

test('all problems are told at once, and one that was said wrongly is not also called too short', () => {
  expect(
    problemsOf({
      DAEMUN_KEY_ROTATION_PERIOD: 'monthly',
      DAEMUN_KEY_CACHE_SUPPORT: '1s',
      DAEMUN_KEY_HINT_RETENTION: '30d',
    }),
  ).toEqual([
    expect.stringMatching(/^DAEMUN_KEY_ROTATION_PERIOD must be a duration/),
    expect.stringMatching(/^DAEMUN_KEY_CACHE_SUPPORT must be a duration/),
  ]);
});

describe('KEY_ENCRYPTION_KEY', () => {
  const keys = [aKey(), aKey(), aKey()];
  test.each(['\n', ',', ', ', '\r\n', ' '])('may hold several, separated by %j', (separator) => {
    expect(load({ KEY_ENCRYPTION_KEY: keys.join(separator) }).keyEncryptionKey?.reveal()).toBe(keys.join(separator));
  });

  test.each([
    ['one of them being short', [keys[0], 'c2hvcnQ='].join(',')],
    ['nothing between two commas', [keys[0], keys[1]].join(',,')],
    ['a comma at the end', `${keys[0]},`],
  ])('is refused with %s, without repeating it', (_what, value) => {
    const [problem, ...others] = problemsOf({ KEY_ENCRYPTION_KEY: value });
    expect(others).toEqual([]);
    expect(problem).toMatch(/^KEY_ENCRYPTION_KEY must be 32 random bytes in base64.*or several/);
    expect(problem).not.toContain(keys[0]!.slice(0, 10));
  });
});
