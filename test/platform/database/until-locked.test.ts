import { expect, test } from '@jest/globals';
import { untilLocked } from '../../../src/platform/database/until-locked.ts';

const notFree = () => Object.assign(new Error('canceling statement due to lock timeout'), { code: '55P03' });

test('what finds a lock taken steps back and is tried again, also where the failure was put into words', async () => {
  const steps: string[] = [];
  const failures = [notFree(), new Error('Migration failed', { cause: notFree() })];
  const outcome = await untilLocked(
    async () => {
      steps.push('work');
      const failure = failures.shift();
      if (failure) throw failure;
      return 'done';
    },
    { patience: 60_000, stepBack: async () => steps.push('back') },
  );
  expect([outcome, steps]).toEqual(['done', ['work', 'back', 'work', 'back', 'work']]);
});

test.each([
  ['a lock that is not free in time', 0, notFree()],
  ['anything else, at once', 60_000, Object.assign(new Error('duplicate key'), { code: '23505' })],
])('gives up at %s', async (_, patience, failure) => {
  let tries = 0;
  const work = async () => {
    tries += 1;
    await new Promise((resolve) => setTimeout(resolve, 5));
    throw failure;
  };
  await expect(untilLocked(work, { patience })).rejects.toBe(failure);
  expect(tries).toBe(1);
});
