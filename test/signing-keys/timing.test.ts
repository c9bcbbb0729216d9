import { expect, test } from '@jest/globals';
import {
  checkPolicy,
  DEFAULT_KEY_POLICY,
  lastSignature,
  pollInterval,
  retention,
  warmUp,
} from '../../src/signing-keys/timing.ts';

const policy = DEFAULT_KEY_POLICY;
const HOUR = 3600;
const DAY = 24 * HOUR;

test.each([
  ['W = max(M, C) + D + S', warmUp(policy), 24 * HOUR + 15 + 60],
  ['W, where caches keep longer than we promised to support', warmUp({ ...policy, jwksMaxAge: 2 * DAY }), 2 * DAY + 75],
  ['the last signature: D + S', lastSignature(policy), 75],
  ['R: D + L + S', retention(policy, HOUR), 15 + HOUR + 60],
  ['the interval of polling', pollInterval(policy), 4],
  ['the interval of polling, where D is short', pollInterval({ ...policy, propagation: 0.3 }), 0.1],
])('%s', (_name, value, expected) => {
  expect(value).toBeCloseTo(expected, 9);
});

test.each([
  ['the defaults and an hour', {}, HOUR, []],
  ['T = W + D + L + S exactly', { rotationPeriod: DAY + 75 + HOUR + 75 }, HOUR, []],
  ['T one second shorter', { rotationPeriod: DAY + 75 + HOUR + 74 }, HOUR, [/rotationPeriod/]],
  ['hints that end before the tokens do', { hintRetention: HOUR - 1 }, HOUR, [/hintRetention/]],
  ['no time to follow', { propagation: 0 }, HOUR, [/propagation/]],
  ['what is not a time', { clockSkew: -1, jwksMaxAge: Number.NaN }, HOUR, [/jwksMaxAge/, /clockSkew/]],
])('a policy of %s has its problems named', (_name, changes, tokenLifetime, expected) => {
  const problems = checkPolicy({ ...policy, ...changes }, tokenLifetime);
  expect(problems).toHaveLength(expected.length);
  for (const [index, pattern] of expected.entries()) expect(problems[index]).toMatch(pattern);
});
