import { PGlite } from '@electric-sql/pglite';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { poolOver } from '../../../src/platform/database/embedded.ts';
import { PGliteStream } from '../../../src/platform/database/pglite-stream.ts';

let lite: PGlite;
let pool: pg.Pool;
beforeAll(async () => {
  lite = new PGlite();
  pool = await poolOver(lite);
});
afterAll(async () => {
  await pool.end();
  await lite.close();
});

const named = (value: number) =>
  pool.query<{ value: number }>({ name: 'echo', text: 'SELECT $1::int AS value', values: [value] });
const broken = () => pool.query({ name: 'broken', text: 'SELECT 1 / $1::int', values: [0] });
const open = async () => {
  const client = new pg.Client({ user: 'postgres', stream: () => new PGliteStream(lite) } as pg.ClientConfig);
  client.on('error', () => {});
  await client.connect();
  return client;
};

/** The pool gives a client up when its error is handed to `release`, as a statement without a pool's care does. */
async function replaceClient(): Promise<void> {
  const client = await pool.connect();
  const error = await client.query('SELECT nonsense').then(
    () => undefined,
    (failure: Error) => failure,
  );
  expect(error).toMatchObject({ code: '42703' });
  client.release(error);
}

describe('after an SQL error made the pool replace its client', () => {
  test('named statements still work, and every query has its own rows', async () => {
    const before = await named(0);
    expect(before.rows).toEqual([{ value: 0 }]);
    for (let round = 1; round <= 5; round++) {
      await replaceClient();
      const answers = await Promise.all(Array.from({ length: 10 }, (_, i) => named(round * 100 + i)));
      expect(answers.map(({ rows }) => rows)).toEqual(
        Array.from({ length: 10 }, (_, i) => [{ value: round * 100 + i }]),
      );
    }
  });

  test('errors and rows of queries sent at once reach whoever asked', async () => {
    for (let round = 0; round < 5; round++) {
      const replaced = replaceClient();
      const settled = await Promise.allSettled([
        named(1),
        broken(),
        named(2),
        broken(),
        pool.query('SELECT 3 AS value'),
      ]);
      await replaced;
      expect(settled.map((one) => (one.status === 'fulfilled' ? one.value.rows : one.reason.code))).toEqual([
        [{ value: 1 }],
        '22012',
        [{ value: 2 }],
        '22012',
        [{ value: 3 }],
      ]);
    }
  });

  test('the transaction and the settings of the client before are gone', async () => {
    await pool.query('CREATE TABLE IF NOT EXISTS kept (value int)');
    const client = await pool.connect();
    await client.query(`SET application_name = 'before'`);
    await client.query('BEGIN');
    await client.query('INSERT INTO kept VALUES (1)');
    client.release(new Error('given up'));
    const { rows } = await pool.query(
      `SELECT current_setting('application_name') AS name, (SELECT count(*)::int FROM kept) AS count`,
    );
    expect(rows).toEqual([{ name: '', count: 0 }]);
  });
});

test('a query that another connection’s error falls between is answered once, by its own rows', async () => {
  const [first, second] = [await open(), await open()];
  const ask = (client: pg.Client, value: number) => client.query({ text: 'SELECT $1::int AS value', values: [value] });
  const fail = (client: pg.Client) => client.query({ text: 'SELECT 1 / $1::int', values: [0] });
  for (let round = 0; round < 20; round++) {
    const settled = await Promise.allSettled([ask(first, 1), fail(second), ask(first, 2), ask(second, 3), fail(first)]);
    expect(settled.map((one) => (one.status === 'fulfilled' ? one.value.rows : one.reason.code))).toEqual([
      [{ value: 1 }],
      '22012',
      [{ value: 2 }],
      [{ value: 3 }],
      '22012',
    ]);
  }
  await first.end();
  await second.end();
});
