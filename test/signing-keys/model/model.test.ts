import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { SEED, search } from './check.ts';
import { histories, run } from './history.ts';
import { REAL } from './logic.ts';
import type { World } from './world.ts';

const HISTORIES = Number(process.env.TEST_MODEL_HISTORIES ?? 10_000);

test(`no history of ${HISTORIES} violates K1 to K14 (seed ${SEED})`, () => {
  expect(search(REAL, HISTORIES)?.text).toBeUndefined();
}, 180_000);

test('the histories contain all that can go wrong', () => {
  const worlds: World[] = [];
  for (const history of fc.sample(histories, { seed: SEED, numRuns: 200 })) {
    run(REAL, history, (world) => worlds.push(world));
  }
  const stories = worlds.map(({ story }) => story.join('\n'));
  const withIt = (text: RegExp) => stories.filter((story) => text.test(story)).length;
  const counted = {
    rotations: withIt(/rotates \w+: .*activated/),
    emergencies: withIt(/in an emergency: .*activated \w+ early/),
    'emergencies that nobody notices': withIt(/in an emergency: .*activated \w+(?! early)[,\n]/),
    'scheduled rotations': withIt(/advances: .*activated/),
    revocations: withIt(/revoked/),
    holds: withIt(/holds/),
    partitions: withIt(/loses the database/),
    'slow answers': withIt(/will have the answer/),
    'crashes before': withIt(/dies before/),
    'crashes in the middle': withIt(/dies in the middle/),
    'commits nobody heard of': withIt(/dies after the commit/),
    'longer tokens': withIt(/records its token lifetime/),
    destroyed: withIt(/destroyed/),
  };
  expect(Object.entries(counted).filter(([, histories]) => histories < 5)).toEqual([]);
  expect(worlds.filter(({ relyingParties }) => relyingParties.length > 1).length).toBeGreaterThan(20);
});
