import { expect, test } from '@jest/globals';
import { findProgram } from '../support/deployed-service.ts';
import { runShort } from './short-form.ts';

/** On a machine that was prepared for it nothing may be left out. */
const withNginx = findProgram('nginx') || process.env.CI === 'true' ? test : test.skip;

withNginx(
  'nobody notices that two nodes behind nginx are restarted one after the other',
  async () => {
    const { violations, seen, skipped } = await runShort('rolling-restart');
    expect({ violations, skipped }).toEqual({ violations: [], skipped: undefined });
    expect(seen).toMatch(/^[2-9]\d* restarts, \d{2,} requests/);
  },
  180_000,
);
