import { expect, test } from '@jest/globals';
import { runShort } from './short-form.ts';

test('a node killed under load loses nothing it acknowledged, spends nothing twice, and revives nothing that ended', async () => {
  const { violations, seen } = await runShort('kill-node');
  expect(violations).toEqual([]);
  expect(seen).toMatch(/^[1-9]\d* kills, \d+ acknowledged/);
}, 400_000);
