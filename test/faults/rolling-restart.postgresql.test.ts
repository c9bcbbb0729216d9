import { expect, test } from '@jest/globals';
import { runShort } from './short-form.ts';

// A machine without nginx has nothing to try this with; `npm run faults` says so loudly.
test('nobody notices that two nodes behind nginx are restarted one after the other', async () => {
  const { violations, seen, skipped } = await runShort('rolling-restart');
  expect(violations).toEqual([]);
  if (skipped === undefined) expect(seen).toMatch(/^[2-9]\d* restarts, \d{2,} requests/);
}, 180_000);
