import { expect, test } from '@jest/globals';
import { createBoundedLog } from '../../src/platform/bounded-log.ts';

test('S-175 so many lines of a kind are written in a period, and the next one says how many were not', () => {
  let now = 0;
  const mayLog = createBoundedLog({ lines: 2, period: 100, now: () => now });
  expect(['a', 'a', 'a', 'a', 'b'].map(mayLog)).toEqual([0, 0, undefined, undefined, 0]);
  now = 99;
  expect(mayLog('a')).toBeUndefined();
  now = 100;
  expect(['a', 'a', 'a'].map(mayLog)).toEqual([3, 0, undefined]);
  // A clock that was set back silences nothing for long.
  now = 50;
  expect(mayLog('a')).toBe(1);
});
