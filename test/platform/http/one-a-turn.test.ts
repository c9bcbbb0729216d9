import { expect, test } from '@jest/globals';
import { oneATurn } from '../../../src/platform/http/one-a-turn.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('of a crowd one goes on in each turn of the event loop, in the order in which they came', async () => {
  const inTurn = oneATurn();
  const seen: string[] = [];
  let turns = 0;
  const enter = (name: string) => inTurn({} as never, async () => void seen.push(`${name} in ${turns}`));
  const all = Promise.all(['first', 'second', 'third'].map(enter));
  while (seen.length < 3) {
    await turn();
    turns += 1;
  }
  await all;
  expect(seen.map((one) => one.split(' ')[0])).toEqual(['first', 'second', 'third']);
  expect(new Set(seen.map((one) => one.split(' in ')[1])).size).toBe(3);
  // Nobody is left behind, and whoever comes later need not have been there before.
  const late = enter('late');
  await late;
  expect(seen).toHaveLength(4);
});

test('one that fails holds up nobody', async () => {
  const inTurn = oneATurn();
  const failing = inTurn({} as never, () => Promise.reject(new Error('failed')));
  const next = inTurn({} as never, async () => 'answered');
  await expect(failing).rejects.toThrow('failed');
  expect(await next).toBe('answered');
});
