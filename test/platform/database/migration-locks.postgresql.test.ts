import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import pg from 'pg';
import { migrate } from '../../../src/platform/database/migrate.ts';

const schema = `locks_${randomBytes(6).toString('hex')}`;
let directory: string;
let pool: pg.Pool;
let others: pg.Pool;

beforeEach(async () => {
  const connect = (more = '') =>
    new pg.Pool({
      connectionString: process.env.TEST_POSTGRES_URL,
      options: `-c search_path=${schema}${more}`,
    });
  pool = connect();
  // As those of requests.
  others = connect(' -c lock_timeout=500');
  await pool.query(`CREATE SCHEMA ${schema}`);
  directory = mkdtempSync(join(tmpdir(), 'daemun-locks-'));
  write('1_first', 'CREATE TABLE busy (id int); INSERT INTO busy VALUES (1);');
  await migrate(pool, directory);
  write('2_second', 'CREATE TABLE other (); ALTER TABLE busy ADD COLUMN more text;');
});
afterEach(async () => {
  await pool.query(`DROP SCHEMA ${schema} CASCADE`);
  await pool.end();
  await others.end();
  rmSync(directory, { recursive: true });
});

function write(name: string, sql: string): void {
  mkdirSync(join(directory, name), { recursive: true });
  writeFileSync(join(directory, name, 'migration.sql'), sql);
}

/** Reads, as a backup does for as long as it lasts. */
async function startReading(): Promise<() => Promise<unknown>> {
  const reader = await others.connect();
  await reader.query('BEGIN; SELECT FROM busy');
  return async () => {
    await reader.query('COMMIT');
    reader.release();
  };
}

test('while a migration waits for a long transaction, requests on that table go on, and it is applied when that is over', async () => {
  const stopReading = await startReading();
  const migrated = migrate(pool, directory);
  let isOver = false;
  void migrated.finally(() => {
    isOver = true;
  });
  // Each would be refused with 55P03 by whoever stands in line for longer than half a second.
  for (let requests = 0; requests < 40; requests++) {
    expect((await others.query('SELECT id FROM busy')).rows).toEqual([{ id: 1 }]);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  expect(isOver).toBe(false);
  await stopReading();
  expect((await migrated).applied).toEqual(['2_second']);
});

test('a migration that does not get its lock gives up in the end, and leaves nothing', async () => {
  const stopReading = await startReading();
  await expect(migrate(pool, directory, 0)).rejects.toThrow(
    /^Migration 2_second failed and was rolled back: canceling statement due to lock timeout/,
  );
  await stopReading();
  const { rows } = await pool.query('SELECT to_regclass($1) AS table', [`${schema}.other`]);
  expect(rows).toEqual([{ table: null }]);
  expect((await migrate(pool, directory)).applied).toEqual(['2_second']);
});
