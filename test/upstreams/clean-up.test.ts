import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createUpstreamsCleanUp } from '../../src/upstreams/clean-up.store.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

test('journeys are kept for a day after their end, and a round is bounded', async () => {
  const { pool } = database;
  await pool.query(
    `INSERT INTO upstream_attempts (id, provider, interaction, sealed, expires_at)
     SELECT sha256(hours::text::bytea), hours::text, '', '', now() - hours * interval '1 hour'
     FROM unnest(ARRAY[-1, 1, 23, 25, 26, 27]) AS hours`,
  );
  const cleanUp = createUpstreamsCleanUp(database);
  const left = async () => {
    const { rows } = await pool.query<{ provider: string }>('SELECT provider FROM upstream_attempts');
    return rows.map(({ provider }) => provider).toSorted();
  };

  expect(await cleanUp(2)).toBe(true);
  expect(await left()).toHaveLength(4);
  expect(await cleanUp(2)).toBe(false);
  expect(await cleanUp()).toBe(false);
  expect(await left()).toEqual(['-1', '1', '23']);
});
