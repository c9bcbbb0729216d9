import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import pg from 'pg';
import type { KeyPolicy } from '../../src/signing-keys/timing.ts';
import { createEmptyDatabase } from '../support/database.ts';
import type { SchedulerOrder } from './scheduler.script.ts';

/** Seconds: something is due all the time. */
const policy: KeyPolicy = {
  jwksMaxAge: 0.1,
  cacheSupport: 0.1,
  propagation: 1.5,
  clockSkew: 0.1,
  hintRetention: 1,
  rotationPeriod: 0.5,
};
const DEATHS = 12;

const keyEncryptionKey = randomBytes(32).toString('base64');
const script = fileURLToPath(new URL('scheduler.script.ts', import.meta.url));
const loader = new URL('../support/typescript-loader.mjs', import.meta.url).href;

let database: NonNullable<Awaited<ReturnType<typeof createEmptyDatabase>>>;
let pool: pg.Pool;
const running = new Set<ChildProcess>();
beforeAll(async () => {
  database = (await createEmptyDatabase())!;
  pool = new pg.Pool({ connectionString: database.url, max: 2 });
});
afterAll(async () => {
  for (const child of running) child.kill('SIGKILL');
  await pool.end();
  await database.close();
});

async function startNode(): Promise<ChildProcess> {
  const order: SchedulerOrder = { url: database.url, keyEncryptionKey, policy };
  const child = spawn(process.execPath, ['--import', loader, script, JSON.stringify(order)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  running.add(child);
  child.once('exit', () => running.delete(child));
  await once(child.stdout!, 'data');
  return child;
}

async function counts(): Promise<Record<string, number>> {
  const { rows } = await pool.query(
    `SELECT algorithm || ' ' || state AS kind, count(*)::int AS count FROM signing_keys GROUP BY 1`,
  );
  return Object.fromEntries(rows.map(({ kind, count }) => [kind, count]));
}

const rotations = async () =>
  (await pool.query<{ count: number }>('SELECT count(*)::int FROM signing_keys WHERE retired_at IS NOT NULL')).rows[0]!
    .count;

async function untilMoreThan(count: number): Promise<void> {
  for (let tries = 0; (await rotations()) <= count; tries++) {
    expect(tries).toBeLessThan(600);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

test('K10 nodes are killed at any moment of their rounds, and the next goes on by itself', async () => {
  for (let death = 0; death < DEATHS; death++) {
    const node = await startNode();
    const before = await rotations();
    // Some die while they wait for what is due, some right behind a change, some in the middle of the next.
    if (death % 3 === 0) await untilMoreThan(before);
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 1500));
    node.kill('SIGKILL');
    await once(node, 'exit');
    const found = await counts();
    for (const algorithm of ['ES256', 'EdDSA']) {
      expect(found[`${algorithm} active`]).toBe(1);
      expect(found[`${algorithm} published`] ?? 0).toBeLessThanOrEqual(1);
    }
  }
  const before = await rotations();
  await startNode();
  await untilMoreThan(before + 3);
  const { rows } = await pool.query(
    `SELECT count(*)::int AS kept FROM signing_keys WHERE state IN ('archived', 'destroyed', 'revoked') AND private_key IS NOT NULL`,
  );
  expect(rows).toEqual([{ kept: 0 }]);
  expect((await counts())['ES256 destroyed']).toBeGreaterThan(0);
}, 240_000);
