import { expect, test } from '@jest/globals';
import { onPostgresql, runShort } from './short-form.ts';

test('two nodes that boot at once on an empty database serve as one; on one embedded directory one of them is refused', async () => {
  const { violations, seen } = await runShort('two-boots');
  expect(violations).toEqual([]);
  expect(seen).toMatch(onPostgresql ? /^both came up/ : /^one came up/);
}, 400_000);

test('a migration that was killed midway is finished by the next boot', async () => {
  const { violations, seen } = await runShort('migration-killed', ['--points', onPostgresql ? '3' : '1']);
  expect(violations).toEqual([]);
  expect(seen).toMatch(/^[1-9]\d* kills among \d{2,} points/);
}, 400_000);
