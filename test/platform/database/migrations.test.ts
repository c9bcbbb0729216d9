import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PGlite } from '@electric-sql/pglite';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import pg, { type Pool } from 'pg';
import { poolOver } from '../../../src/platform/database/embedded.ts';
import { migrate, migrationsDirectory, pendingMigrations } from '../../../src/platform/database/migrate.ts';
import { runChild } from './child.ts';

const server = process.env.TEST_POSTGRES_URL;
const schema = `migrations_${randomBytes(6).toString('hex')}`;

/** As Prisma makes it. */
const HISTORY = `CREATE TABLE "_prisma_migrations" (
  "id" VARCHAR(36) PRIMARY KEY NOT NULL, "checksum" VARCHAR(64) NOT NULL, "finished_at" TIMESTAMPTZ,
  "migration_name" VARCHAR(255) NOT NULL, "logs" TEXT, "rolled_back_at" TIMESTAMPTZ,
  "started_at" TIMESTAMPTZ NOT NULL DEFAULT now(), "applied_steps_count" INTEGER NOT NULL DEFAULT 0)`;

let lite: PGlite | undefined;
let pool: Pool;
let directory: string;

beforeAll(async () => {
  if (server) {
    pool = new pg.Pool({ connectionString: server, options: `-c search_path=${schema}`, statement_timeout: 2000 });
  } else {
    lite = new PGlite();
    pool = await poolOver(lite);
    await pool.query(`SET search_path TO ${schema}; SET statement_timeout = 2000`);
  }
});
afterAll(async () => {
  await pool.end();
  await lite?.close();
});
beforeEach(async () => {
  await pool.query(`CREATE SCHEMA ${schema}`);
  directory = mkdtempSync(join(tmpdir(), 'daemun-migrations-'));
  write('1_first', 'CREATE TABLE first (id int); INSERT INTO first VALUES (1);');
  write('2_second', 'CREATE TABLE second (id int);');
  writeFileSync(join(directory, 'migration_lock.toml'), 'provider = "postgresql"\n');
});
afterEach(async () => {
  await pool.query(`DROP SCHEMA ${schema} CASCADE`);
  rmSync(directory, { recursive: true });
});

function write(name: string, sql: string): void {
  mkdirSync(join(directory, name), { recursive: true });
  writeFileSync(join(directory, name, 'migration.sql'), sql);
}

async function tables(): Promise<string[]> {
  const { rows } = await pool.query(
    `SELECT relname AS name FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' ORDER BY 1`,
  );
  return rows.map(({ name }) => name);
}

test('an empty database gets everything in order, and the second time there is nothing to do', async () => {
  expect((await pendingMigrations(pool, directory)).pending).toEqual(['1_first', '2_second']);
  expect((await migrate(pool, directory)).applied).toEqual(['1_first', '2_second']);
  expect(await tables()).toEqual(['_prisma_migrations', 'first', 'second']);
  expect((await pendingMigrations(pool, directory)).pending).toEqual([]);
  expect((await migrate(pool, directory)).applied).toEqual([]);
});

test('the product’s own migrations apply to an empty database', async () => {
  expect((await migrate(pool)).applied).toEqual(
    readdirSync(migrationsDirectory).filter((name) => name !== 'migration_lock.toml'),
  );
  expect(await tables()).toEqual(expect.arrayContaining(['users', 'clients', 'protocol_artifacts', 'audit_events']));
});

test('only what is new is applied', async () => {
  await migrate(pool, directory);
  write('3_third', 'ALTER TABLE second ADD COLUMN more text;');
  expect((await migrate(pool, directory)).applied).toEqual(['3_third']);
});

test('asking what is missing changes nothing', async () => {
  await pendingMigrations(pool, directory);
  expect(await tables()).toEqual([]);
});

test('two runners at once apply every migration once', async () => {
  const applied = await Promise.all([migrate(pool, directory), migrate(pool, directory), migrate(pool, directory)]);
  expect(applied.flatMap((one) => one.applied).toSorted()).toEqual(['1_first', '2_second']);
  expect((await pool.query('SELECT count(*)::int AS n FROM first')).rows).toEqual([{ n: 1 }]);
});

test('the history has the rows that Prisma writes', async () => {
  await migrate(pool, directory);
  const { rows } = await pool.query('SELECT * FROM _prisma_migrations ORDER BY migration_name');
  expect(rows).toHaveLength(2);
  expect(rows[0]).toEqual({
    id: expect.stringMatching(/^[\da-f-]{36}$/),
    checksum: createHash('sha256')
      .update(readFileSync(join(directory, '1_first/migration.sql')))
      .digest('hex'),
    finished_at: expect.any(Date),
    migration_name: '1_first',
    logs: null,
    rolled_back_at: null,
    started_at: expect.any(Date),
    applied_steps_count: 1,
  });
});

test('Prisma’s own engine reads the history as complete and undisturbed', async () => {
  const child = runChild('prisma-history.script.ts');
  const diagnosis = JSON.parse((await child.saw('diagnosis')).slice('diagnosis '.length));
  expect(diagnosis).toMatchObject({
    history: null,
    failedMigrationNames: [],
    editedMigrationNames: [],
    hasMigrationsTable: true,
  });
});

test('what Prisma rolled back is applied again', async () => {
  await migrate(pool, directory);
  await pool.query(
    `DROP TABLE second; UPDATE _prisma_migrations SET rolled_back_at = now() WHERE migration_name = '2_second'`,
  );
  expect((await migrate(pool, directory)).applied).toEqual(['2_second']);
});

test('a release that a newer one has migrated past serves on, and is started again, but migrates nothing', async () => {
  await migrate(pool, directory);
  write('3_third', 'CREATE TABLE third ();');
  write('4_fourth_after_00000000000001', 'CREATE TABLE fourth ();');
  expect((await migrate(pool, directory)).newer).toEqual([]);
  const newer = ['3_third', '4_fourth_after_00000000000001'];
  for (const name of newer) rmSync(join(directory, name), { recursive: true });
  expect(await pendingMigrations(pool, directory)).toEqual({ pending: [], newer });
  expect(await migrate(pool, directory)).toEqual({ applied: [], newer });
});

test('a release that lacks what a newer migration needs is refused', async () => {
  write('3_third', 'CREATE TABLE third ();');
  write('4_drop_after_30000000000000', 'DROP TABLE second;');
  await migrate(pool, directory);
  for (const newer of ['3_third', '4_drop_after_30000000000000']) rmSync(join(directory, newer), { recursive: true });
  await expect(migrate(pool, directory)).rejects.toThrow(
    /4_drop_after_30000000000000, which this release does not know/,
  );
  await expect(pendingMigrations(pool, directory)).rejects.toThrow(/does not know/);
});

test('a release is refused that has a migration of its own beside one of another', async () => {
  write('4_fourth', 'CREATE TABLE fourth ();');
  await migrate(pool, directory);
  rmSync(join(directory, '4_fourth'), { recursive: true });
  write('3_third', 'CREATE TABLE third ();');
  await expect(migrate(pool, directory)).rejects.toThrow(/4_fourth, which this release does not know/);
  expect(await tables()).not.toContain('third');
});

describe('refused, and nothing changes', () => {
  test.each<[string, () => unknown, RegExp]>([
    [
      'a migration that was changed after it was applied',
      () => write('1_first', 'CREATE TABLE other ();'),
      /1_first was changed/,
    ],
    ['a change of line ends', () => write('2_second', 'CREATE TABLE second (id int);\r\n'), /2_second was changed/],
    [
      'a migration that this release does not know',
      () => rmSync(join(directory, '2_second'), { recursive: true }),
      /2_second, which this release does not know\. Run the newer release/,
    ],
    [
      'a migration that another tool left half-done',
      () => pool.query(`UPDATE _prisma_migrations SET finished_at = NULL WHERE migration_name = '2_second'`),
      /2_second failed before; repair it with `prisma migrate resolve`/,
    ],
  ])('%s', async (_what, change, message) => {
    await migrate(pool, directory);
    await change();
    write('3_third', 'CREATE TABLE third ();');
    await expect(migrate(pool, directory)).rejects.toMatchObject({
      forOperator: true,
      message: expect.stringMatching(message),
    });
    await expect(pendingMigrations(pool, directory)).rejects.toThrow(message);
    expect(await tables()).toEqual(['_prisma_migrations', 'first', 'second']);
  });
});

describe('S-177 the database of another program is refused, and nothing is left in it', () => {
  const message = /is a database of something else.*DATABASE_URL.*DATA_DIR.*empty schema/;

  test.each<[string, string, string[]]>([
    ['with a table of a name of ours', 'CREATE TABLE second (other text)', ['second']],
    ['with a view of a name of ours', 'CREATE TABLE x (); CREATE VIEW first AS SELECT 1', ['x']],
    ['with a type of a name of ours', `CREATE TYPE kind AS ENUM ('a')`, []],
    [
      'which also uses Prisma',
      `CREATE TABLE other (); ${HISTORY}; INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at)
       VALUES ('x', 'x', '0_theirs', now())`,
      ['_prisma_migrations', 'other'],
    ],
    ['with an empty history', `CREATE TABLE first (); ${HISTORY}`, ['_prisma_migrations', 'first']],
  ])('%s', async (_what, sql, before) => {
    write('2_second', `CREATE TYPE "kind" AS ENUM ('b'); CREATE TABLE IF NOT EXISTS "second" (id int);`);
    await pool.query(sql);
    await expect(migrate(pool, directory)).rejects.toMatchObject({
      forOperator: true,
      message: expect.stringMatching(message),
    });
    await expect(pendingMigrations(pool, directory)).rejects.toThrow(message);
    expect(await tables()).toEqual(before);
  });

  test('by the product’s own names', async () => {
    await pool.query('CREATE TABLE users (id int)');
    await expect(migrate(pool)).rejects.toThrow(/"users".*Nothing was changed/);
    expect(await tables()).toEqual(['users']);
  });

  test('but what has other names, or is in another schema, is nobody’s business', async () => {
    const other = `${schema}_other`;
    try {
      await pool.query(`CREATE TABLE their_own (); CREATE SCHEMA ${other}; CREATE TABLE ${other}.first ()`);
      expect((await migrate(pool, directory)).applied).toEqual(['1_first', '2_second']);
    } finally {
      await pool.query(`DROP SCHEMA IF EXISTS ${other} CASCADE`);
    }
  });

  test('nor is a history in a schema that is only looked into after ours', async () => {
    const other = `${schema}_other`;
    const options = `-c search_path=${schema},${other}`;
    const both = server ? new pg.Pool({ connectionString: server, options }) : pool;
    try {
      await pool.query(`CREATE SCHEMA ${other}; SET search_path TO ${other}; ${HISTORY};
        INSERT INTO _prisma_migrations (id, checksum, migration_name) VALUES ('x', 'x', '0_theirs');
        SET search_path TO ${schema}`);
      if (!server) await pool.query(`SET search_path TO ${schema}, ${other}`);
      expect((await migrate(both, directory)).applied).toEqual(['1_first', '2_second']);
      expect(await tables()).toContain('_prisma_migrations');
    } finally {
      if (server) await both.end();
      else await pool.query(`SET search_path TO ${schema}`);
      await pool.query(`DROP SCHEMA IF EXISTS ${other} CASCADE`);
    }
  });
});

test('an empty history, which a start that failed may have left, is begun', async () => {
  await pool.query(HISTORY);
  expect((await migrate(pool, directory)).applied).toEqual(['1_first', '2_second']);
});

test('a first migration that fails leaves no history behind', async () => {
  write('1_first', 'INSERT INTO nowhere VALUES (1);');
  await expect(migrate(pool, directory)).rejects.toThrow(/^Migration 1_first failed and was rolled back/);
  expect(await tables()).toEqual([]);
});

test('a migration that fails leaves nothing of itself, keeps those before it, and can be repaired', async () => {
  write('2_second', 'CREATE TABLE second (id int); INSERT INTO nowhere VALUES (1);');
  await expect(migrate(pool, directory)).rejects.toThrow(
    /^Migration 2_second failed and was rolled back: relation "nowhere" does not exist/,
  );
  expect(await tables()).toEqual(['_prisma_migrations', 'first']);
  expect((await pendingMigrations(pool, directory)).pending).toEqual(['2_second']);
  write('2_second', 'CREATE TABLE second (id int);');
  expect((await migrate(pool, directory)).applied).toEqual(['2_second']);
});

test('a migration may take longer than a request may, and the connection keeps its limit afterwards', async () => {
  write('3_slow', 'SELECT pg_sleep(2.2);');
  await migrate(pool, directory);
  const { rows } = await pool.query('SHOW statement_timeout');
  expect(rows).toEqual([{ statement_timeout: '2s' }]);
});

test('the schema file and the migrations say the same', () => {
  const script = fileURLToPath(new URL('../../../scripts/migration.mjs', import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, 'check'], { encoding: 'utf8' });
  expect([status, stderr, stdout.trim()]).toEqual([0, '', '-- This is an empty migration.']);
});
