import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type pg from 'pg';
import { createStatementBatch } from '../../../src/platform/database/statement-batch.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';

/*
 * Two that each hold what the other waits for. A connection of the service gives up a lock after half a second, which is before PostgreSQL
 * looks for deadlocks: it sees a slow lock, and no conflict.
 */

let database: TestDatabase;
let rival: pg.PoolClient;
beforeAll(async () => {
  database = await openTestDatabase();
  await database.pool.query('CREATE TABLE things (id int PRIMARY KEY, changes int NOT NULL DEFAULT 0)');
});
afterAll(() => database?.close());
beforeEach(async () => {
  await database.pool.query('TRUNCATE things; INSERT INTO things VALUES (1), (2), (3)');
});

/** Somebody who is in no hurry, and has the second thing. */
async function startRival(): Promise<void> {
  rival = await database.pool.connect();
  await rival.query(`BEGIN; SET LOCAL lock_timeout = '20s'; SET LOCAL statement_timeout = '30s'`);
  await rival.query('UPDATE things SET changes = changes + 1 WHERE id = 2');
}

afterEach(() => rival.release());

let sent = 0;
/** Changes the first thing, then the second, in one statement. */
const change = createStatementBatch<number, number>({
  async send(items) {
    sent += 1;
    const { rowCount } = await database.pool.query(`
      WITH first AS (UPDATE things SET changes = changes + 1 WHERE id = 1 RETURNING id)
      UPDATE things SET changes = changes + 1 WHERE id = 2 AND (SELECT count(*) FROM first) = 1`);
    return items.map(() => rowCount!);
  },
});

async function untilSomebodyWaits(): Promise<void> {
  const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  while ((await database.pool.query(waiting)).rowCount === 0) await new Promise((resolve) => setTimeout(resolve, 10));
}

const changes = async () =>
  (await database.pool.query('SELECT changes FROM things ORDER BY id')).rows.map((row) => row.changes);

test('a statement that is caught in a circle of locks lets the other one through and is sent again', async () => {
  await startRival();
  sent = 0;
  const changed = change(1);
  await untilSomebodyWaits();
  await rival.query('UPDATE things SET changes = changes + 1 WHERE id = 1');
  await rival.query('COMMIT');
  expect(await changed).toBe(1);
  expect([sent, await changes()]).toEqual([2, [2, 2, 0]]);
});

test('a statement whose lock stays taken is given up within little more than a second', async () => {
  await startRival();
  sent = 0;
  const start = performance.now();
  await expect(change(1)).rejects.toMatchObject({ code: 'unavailable', status: 503 });
  expect(performance.now() - start).toBeLessThan(1_500);
  expect(sent).toBe(2);
  await rival.query('COMMIT');
  expect(await changes()).toEqual([0, 1, 0]);
});
