import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { findProgram } from '../support/deployed-service.ts';
import { runShort } from './short-form.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** On a machine that was prepared for it nothing may be left out. */
const withNginx = findProgram('nginx') || process.env.CI === 'true' ? test : test.skip;

let earlier: string;
beforeEach(() => {
  earlier = mkdtempSync(join(tmpdir(), 'daemun-earlier-'));
});
afterEach(() => rmSync(earlier, { recursive: true }));

/** This release as it would be without its newest migration: what it does not need to serve, so that only the tables differ. */
function makeEarlierRelease(): void {
  execFileSync(process.execPath, [
    '--input-type=module',
    '-e',
    `await (await import(${JSON.stringify(join(root, 'scripts/prepare.mjs'))})).prepare({ dev: true, onlyMissing: true })`,
  ]);
  for (const name of ['dist', 'prisma', 'package.json', '.env.example']) {
    cpSync(join(root, name), join(earlier, name), { recursive: true });
  }
  for (const name of ['node_modules', 'interactions']) symlinkSync(join(root, name), join(earlier, name));
  const newest = readdirSync(join(root, 'prisma/migrations')).findLast((name) => /^\d/.test(name))!;
  rmSync(join(earlier, 'prisma/migrations', newest), { recursive: true });
}

withNginx(
  'nobody notices that migrations run and nodes are replaced by the next release, and what one release begins the other goes on with',
  async () => {
    makeEarlierRelease();
    const { violations, seen, skipped } = await runShort('rolling-upgrade', ['--from', earlier]);
    expect({ violations, skipped }).toEqual({ violations: [], skipped: undefined });
    expect(seen).toMatch(/, 1 migrations in \d+ ms, .*[1-9]\d+ steady requests, .*[1-9]\d+ acknowledged/);
  },
  300_000,
);
