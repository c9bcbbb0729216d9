import { expect, test } from '@jest/globals';
import { onPostgresql, runShort } from './short-form.ts';

test('after a kill at any await of a flow the person can go on, and what was acknowledged stands', async () => {
  const { violations, seen } = await runShort('kill-points', ['--points', onPostgresql ? '12' : '4']);
  expect(violations).toEqual([]);
  expect(seen).toMatch(/^[1-9]\d* of \d{2,} points/);
}, 400_000);
