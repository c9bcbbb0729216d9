import { expect, test } from '@jest/globals';
import { keyFigures } from '../../src/signing-keys/key-figures.ts';
import { DEFAULT_KEY_POLICY } from '../../src/signing-keys/timing.ts';

const quiet = {
  version: 1,
  confirmedAgo: 0,
  keys: [],
  now: Date.UTC(2026, 0, 1),
  clockAhead: 0,
  versionSince: 0,
  nodes: [],
  kekId: 'kek',
  problems: [],
  unusable: [],
  algorithms: [],
};
const warningsAt = (clockAhead: number) => keyFigures({ ...quiet, clockAhead }, DEFAULT_KEY_POLICY).warnings;

test.each([0, 5, -5])('a clock that differs from the database’s by %i s is no reason to warn', (clockAhead) => {
  expect(warningsAt(clockAhead)).toEqual([]);
});

test.each([
  [300, '300 s ahead of'],
  [-300, '300 s behind'],
])('a clock that differs by %i s is warned about, with its direction', (clockAhead, words) => {
  expect(warningsAt(clockAhead)).toEqual([{ kind: 'clock_differs', text: expect.stringContaining(words) }]);
});
