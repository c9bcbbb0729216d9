import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { type Database, databaseOver } from '../../../src/platform/database/database.ts';
import { isUnavailable } from '../../../src/platform/database/database-errors.ts';
import { listen } from '../../../src/platform/database/listen.ts';
import { migrate } from '../../../src/platform/database/migrate.ts';
import { openPostgresqlPool } from '../../../src/platform/database/postgresql.ts';
import { createEmptyDatabase, openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { openSilentNetwork } from './silent-network.ts';

let server: TestDatabase;
let network: Awaited<ReturnType<typeof openSilentNetwork>>;
let pool: pg.Pool;
let database: Database;
beforeEach(async () => {
  server = await openTestDatabase();
  network = await openSilentNetwork(server.url!);
  pool = openPostgresqlPool({ url: network.url, poolSize: 3, queryTimeout: 300 });
  database = databaseOver('postgresql', pool, () => pool.end());
});
afterEach(async () => {
  await network.close();
  await server.close();
});

const failureOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'it worked',
    (error) => error,
  );
const pidOf = async (from: pg.Pool) =>
  (await from.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]!.pid;
const fill = () => Promise.all([1, 2, 3].map(() => pool.query('SELECT pg_sleep(0.05)')));

describe('a network that swallows everything for a while', () => {
  test('fails what was asked meanwhile, costs the connections, and is over when it is over', async () => {
    await fill();
    network.fallSilent();
    const failures = await Promise.all([1, 2, 3].map(() => failureOf(pool.query('SELECT 1'))));
    expect(failures.map((failure) => isUnavailable(failure))).toEqual([true, true, true]);
    expect(isUnavailable(await failureOf(pool.query('SELECT 1')))).toBe(true);
    network.heal();
    expect((await pool.query('SELECT 2 AS two')).rows).toEqual([{ two: 2 }]);
    await database.close();
  });

  test('ends a transaction of Prisma and its connection', async () => {
    await fill();
    const failure = await failureOf(
      database.prisma.$transaction(async (tx) => {
        await tx.$queryRaw`SELECT 1`;
        network.fallSilent();
        await tx.$queryRaw`SELECT 2`;
      }),
    );
    expect(isUnavailable(failure)).toBe(true);
    network.heal();
    // More than there are connections: none of those from before is left.
    for (let round = 0; round < 5; round++) await failureOf(pool.query('SELECT 1'));
    const answers = await Promise.all([1, 2, 3].map((n) => database.prisma.$queryRaw`SELECT ${n}::int AS n`));
    expect(answers).toEqual([[{ n: 1 }], [{ n: 2 }], [{ n: 3 }]]);
    await database.close();
  });

  test('does not hold up the end', async () => {
    await fill();
    network.fallSilent();
    const query = failureOf(pool.query('SELECT 1'));
    await until(() => pool.idleCount === 2);
    await database.close();
    expect(isUnavailable(await query)).toBe(true);
  });

  test('is noticed by whoever listens', async () => {
    let heard = 0;
    const hear = () => {
      heard += 1;
    };
    const stop = listen(database, 'news', hear, { every: 300, answered: 200 });
    await until(() => heard === 1);
    network.fallSilent();
    await server.pool.query(`SELECT pg_notify('news', '')`);
    network.heal();
    await until(() => heard === 2);
    await server.pool.query(`SELECT pg_notify('news', '')`);
    await until(() => heard === 3);
    network.fallSilent();
    await stop();
    await database.close();
  });
});

test('an answer that comes too late is nobody’s: the connection is gone', async () => {
  const client = await pool.connect();
  const { rows } = await client.query('SELECT pg_backend_pid() AS pid');
  expect(isUnavailable(await failureOf(client.query('SELECT pg_sleep(0.6)')))).toBe(true);
  client.release();
  expect(await pidOf(pool)).not.toBe(rows[0].pid);
  await database.close();
});

test('a migration takes as long as it takes, and only that', async () => {
  const empty = (await createEmptyDatabase())!;
  const directory = mkdtempSync(join(tmpdir(), 'daemun-slow-'));
  mkdirSync(join(directory, '1_slow'));
  writeFileSync(join(directory, '1_slow', 'migration.sql'), 'SELECT pg_sleep(1)');
  const slow = openPostgresqlPool({ url: empty.url, poolSize: 1, queryTimeout: 300 });
  try {
    expect((await migrate(slow, directory)).applied).toEqual(['1_slow']);
    expect(isUnavailable(await failureOf(slow.query('SELECT pg_sleep(1)')))).toBe(true);
  } finally {
    await slow.end();
    await empty.close();
    rmSync(directory, { recursive: true });
    await database.close();
  }
});

describe.each([
  ['', ''],
  [' and an address with options of its own', '?options=-c%20TimeZone%3DAmerica/New_York'],
])('a database in another time zone%s', (_case, options) => {
  test('reads and writes the same moments through Prisma and SQL', async () => {
    const name = new URL(server.url!).pathname.slice(1);
    await server.pool.query(`ALTER DATABASE ${pg.escapeIdentifier(name)} SET timezone TO 'Asia/Seoul'`);
    const far = openPostgresqlPool({ url: `${server.url}${options}` });
    const seen = databaseOver('postgresql', far, () => far.end());
    try {
      const moment = new Date('2026-03-01T23:30:00.000Z');
      const plain = new pg.Client(server.url);
      await plain.connect();
      expect((await plain.query('SHOW timezone')).rows).toEqual([{ TimeZone: 'Asia/Seoul' }]);
      await plain.end();
      const data = {
        id: 'one',
        purpose: 'csrf',
        sealed: new Uint8Array(1),
        wrappedDataKey: new Uint8Array(1),
        kekId: 'k',
      };
      await seen.prisma.serverSecret.create({ data: { ...data, createdAt: moment } });
      const { rows } = await far.query(
        'SELECT created_at AS at, extract(epoch FROM created_at)::int AS epoch FROM server_secrets',
      );
      expect(rows).toEqual([{ at: moment, epoch: moment.getTime() / 1000 }]);
      await far.query('UPDATE server_secrets SET retired_at = $1', [moment]);
      const found = await seen.prisma.serverSecret.findFirstOrThrow();
      expect([found.createdAt, found.retiredAt]).toEqual([moment, moment]);
      expect(await seen.prisma.$queryRaw`SELECT created_at AS at FROM server_secrets`).toEqual([{ at: moment }]);
    } finally {
      await seen.close();
      await database.close();
    }
  });
});

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 20));
}
