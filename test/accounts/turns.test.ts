import { expect, test } from '@jest/globals';
import { createTurns } from '../../src/accounts/turns.ts';

test('work for one key is done one after the other, for different keys at once, and a failure is only its own', async () => {
  const takeTurns = createTurns();
  const steps: string[] = [];
  const work = (name: string) => async () => {
    steps.push(`${name} begins`);
    await new Promise(setImmediate);
    if (name === 'b') throw new Error('b fails');
    steps.push(`${name} ends`);
    return name;
  };
  const outcomes = await Promise.allSettled([
    takeTurns('key', work('a')),
    takeTurns('key', work('b')),
    takeTurns('key', work('c')),
    takeTurns('other', work('d')),
  ]);
  expect(outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : 'failed'))).toEqual([
    'a',
    'failed',
    'c',
    'd',
  ]);
  expect(steps.slice(0, 2)).toEqual(['a begins', 'd begins']);
  expect(steps.filter((step) => !step.startsWith('d'))).toEqual([
    'a begins',
    'a ends',
    'b begins',
    'c begins',
    'c ends',
  ]);
  expect(await takeTurns('key', async () => 'again')).toBe('again');
});

test('where they fail together, whoever waits behind a failure fails with it untried, and whoever comes later is not held up', async () => {
  const takeTurns = createTurns({ failTogether: true });
  let tried = 0;
  const fail = async () => {
    tried += 1;
    await new Promise(setImmediate);
    throw new Error('no answer');
  };
  const outcomes = await Promise.allSettled([takeTurns('key', fail), takeTurns('key', fail), takeTurns('key', fail)]);
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  expect(tried).toBe(1);
  expect(await takeTurns('key', async () => 'again')).toBe('again');
});
