import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { Pool } from 'pg';
import { type Database, openDatabase } from '../../../src/platform/database/database.ts';
import { maintain, openEmbeddedPool } from '../../../src/platform/database/embedded.ts';
import { EMBEDDED_POSTGRES_MAJOR } from '../../../src/platform/database/embedded-directory.ts';
import { openPreparedDatabase } from '../../../src/platform/database/prepare.ts';
import { runChild } from './child.ts';

jest.setTimeout(120_000);

let folder: string;
/** A finished database nobody uses: tests copy it. */
let finished: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'daemun-embedded-'));
  finished = join(folder, 'finished');
  await (await open(finished)).close();
  const asOwner = await openDatabase({ kind: 'embedded', directory: finished });
  await asOwner.pool.query('CREATE TABLE probe AS SELECT generate_series(1, 100) AS i');
  await asOwner.close();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function open(directory: string): Promise<Database> {
  return openPreparedDatabase({ location: { kind: 'embedded', directory }, production: false });
}

function fresh(name: string): string {
  return join(folder, name);
}

function copy(name: string): string {
  const directory = fresh(name);
  cpSync(finished, directory, { recursive: true });
  return directory;
}

function listing(directory: string): string[] {
  return (
    (readdirSync(directory, { recursive: true }) as string[])
      // A cache that PostgreSQL drops whenever it starts.
      .filter((name) => !name.endsWith('.sock') && !name.endsWith('pg_internal.init'))
      .map((name) => `${name} ${statSync(join(directory, name)).size}`)
      .sort()
  );
}

test('what was written is there after reopening, and the folder is for its owner alone', async () => {
  const database = await open(finished);
  const { rows } = await database.pool.query('SELECT count(*)::int AS n FROM probe');
  await database.close();
  expect(rows).toEqual([{ n: 100 }]);
  expect(statSync(finished).mode & 0o777).toBe(0o700);
});

test('the service works as a role above no rule, which cannot change tables, also on a connection that is made anew', async () => {
  const database = await open(copy('role'));
  const role = `SELECT current_user AS name, rolsuper OR rolbypassrls AS above FROM pg_roles WHERE rolname = current_user`;
  expect((await database.pool.query(role)).rows).toEqual([{ name: 'daemun_app', above: false }]);
  await expect(database.pool.query('CREATE TABLE x ()')).rejects.toMatchObject({ code: '42501' });
  await expect(database.pool.query('DELETE FROM audit_events')).rejects.toMatchObject({ code: '42501' });
  const client = await database.pool.connect();
  client.release(true);
  expect((await database.pool.query(role)).rows).toEqual([{ name: 'daemun_app', above: false }]);
  // What nobody else does there.
  await database.pool.query('CHECKPOINT');
  await database.pool.query('VACUUM (ANALYZE)');
  await database.close();
});

test('the PostgreSQL inside is the major that the folder check expects', async () => {
  const { pool, close } = await openEmbeddedPool(copy('version'));
  const { rows } = await pool.query('SHOW server_version');
  await close();
  expect(rows[0].server_version.split('.')[0]).toBe(EMBEDDED_POSTGRES_MAJOR);
});

test('a folder with a long path is locked all the same', async () => {
  const directory = fresh(`deep/${'x'.repeat(120)}`);
  mkdirSync(directory, { recursive: true });
  cpSync(finished, directory, { recursive: true });
  const database = await open(directory);
  await expect(open(directory)).rejects.toThrow('is in use by process');
  await database.close();
});

describe('two processes', () => {
  test('the second is told who has the folder, the first goes on, and nothing is lost', async () => {
    const directory = copy('two');
    const first = runChild('write-until-killed.script.ts', directory, '1');
    await first.saw('kept 20');
    await expect(openDatabase({ kind: 'embedded', directory })).rejects.toThrow(
      `${directory} is in use by process ${first.process.pid}. Stop that process first, or set DATA_DIR`,
    );
    const before = first.lines.length;
    await first.saw(`kept ${before + 10}`);
    await first.kill();
    await expectKept(directory, 1, first.lines);
  });

  test('of five that start at once on a folder that a killed process left, exactly one gets it', async () => {
    const directory = fresh('rush');
    const killed = runChild('lock.script.ts', directory);
    await killed.saw('holds');
    await killed.kill();
    const children = Array.from({ length: 5 }, () => runChild('lock.script.ts', directory));
    const said = await Promise.all(children.map((child) => Promise.race([child.saw('holds'), child.saw('refused')])));
    await Promise.all(children.map((child) => child.kill()));
    expect(said.filter((line) => line === 'holds')).toHaveLength(1);
    expect(said.filter((line) => line.includes('is in use by process'))).toHaveLength(4);
  });

  test('an owner that is stopped still owns the folder', async () => {
    const directory = fresh('stopped');
    const owner = runChild('lock.script.ts', directory);
    await owner.saw('holds');
    owner.process.kill('SIGSTOP');
    await expect(openDatabase({ kind: 'embedded', directory })).rejects.toThrow('is in use by process');
    await owner.kill();
  });
});

async function expectKept(directory: string, round: number, lines: string[]): Promise<void> {
  const acknowledged = lines.filter((line) => line.startsWith('kept ')).map((line) => Number(line.slice(5)));
  const { pool, close } = await open(directory);
  const { rows } = await pool.query<{ number: number }>('SELECT number FROM kept WHERE round = $1 ORDER BY number', [
    round,
  ]);
  await close();
  const found = new Set(rows.map(({ number }) => number));
  expect(acknowledged.filter((number) => !found.has(number))).toEqual([]);
  expect(acknowledged.length).toBeGreaterThan(0);
  // One write may have been acknowledged by the database and killed before it was printed.
  expect(found.size - acknowledged.length).toBeLessThanOrEqual(1);
}

describe('kill -9', () => {
  test('in the middle of writing loses no acknowledged write, six times in a row on one folder', async () => {
    const directory = copy('killed');
    for (let round = 1; round <= 6; round++) {
      const child = runChild('write-until-killed.script.ts', directory, String(round));
      await child.saw(`kept ${20 + Math.floor(Math.random() * 200)}`);
      await child.kill();
      await expectKept(directory, round, child.lines);
    }
  });

  test('loses nothing of what need not wait for the disk elsewhere: here nobody writes it a moment later', async () => {
    const directory = copy('killed-unflushed');
    for (let round = 1; round <= 3; round++) {
      const child = runChild('write-until-killed.script.ts', directory, String(round), 'unflushed');
      await child.saw(`kept ${20 + Math.floor(Math.random() * 200)}`);
      await child.kill();
      await expectKept(directory, round, child.lines);
    }
  });

  test('at any moment of the first start leaves a folder that opens', async () => {
    for (const [index, delay] of [0, 300, 900, 1500, 2100].entries()) {
      const directory = fresh(`first-${index}`);
      const child = runChild('write-until-killed.script.ts', directory, '1');
      await child.saw('opening');
      await Promise.race([child.saw('writing'), new Promise((resolve) => setTimeout(resolve, delay))]);
      await child.kill();
      const database = await open(directory);
      const { rows } = await database.pool.query('SELECT count(*)::int AS n FROM users');
      await database.close();
      expect(rows).toEqual([{ n: 0 }]);
    }
  });
});

describe('a folder that is damaged or not ours gets a clear error, and nothing in it is lost', () => {
  const files = (directory: string) => join(directory, 'pg');
  const garbage = (path: string, bytes = 8192) => writeFileSync(path, Buffer.alloc(bytes, 'garbage'));

  test.each<[string, (directory: string) => void, string]>([
    ['PG_VERSION is gone', (d) => rmSync(join(files(d), 'PG_VERSION')), 'PG_VERSION is missing'],
    ['PG_VERSION is empty', (d) => truncateSync(join(files(d), 'PG_VERSION')), 'PG_VERSION is missing'],
    ['an older major wrote it', (d) => writeFileSync(join(files(d), 'PG_VERSION'), '17\n'), 'written by PostgreSQL 17'],
    ['pg_control is gone', (d) => rmSync(join(files(d), 'global/pg_control')), 'is damaged'],
    ['pg_control is cut', (d) => truncateSync(join(files(d), 'global/pg_control'), 100), 'is damaged'],
    ['pg_control is garbage', (d) => garbage(join(files(d), 'global/pg_control')), 'is damaged'],
    ['the tables are gone', (d) => rmSync(join(files(d), 'base'), { recursive: true }), 'is damaged'],
    [
      'the write-ahead log is gone',
      (d) => {
        for (const name of readdirSync(join(files(d), 'pg_wal')))
          rmSync(join(files(d), 'pg_wal', name), { recursive: true });
      },
      'is damaged',
    ],
    ['the relation map is garbage', (d) => garbage(join(files(d), 'global/pg_filenode.map'), 512), 'is damaged'],
    ['the settings are garbage', (d) => garbage(join(files(d), 'postgresql.conf')), 'is damaged'],
  ])('%s', async (_what, damage, expected) => {
    const directory = copy(`damaged-${Math.random().toString(36).slice(2)}`);
    damage(directory);
    const before = listing(directory);
    await expect(open(directory)).rejects.toMatchObject({
      forOperator: true,
      message: expect.stringMatching(new RegExp(`${expected}[^]*(?:Restore|Export)`)),
    });
    expect(listing(directory).filter((line) => before.includes(line))).toEqual(before);
    rmSync(directory, { recursive: true });
  });

  test('somebody else’s files lie where the database would', async () => {
    const directory = fresh('photos');
    mkdirSync(files(directory), { recursive: true });
    writeFileSync(join(files(directory), 'holiday.jpg'), 'jpg');
    await expect(open(directory)).rejects.toThrow('is not a database');
    expect(readFileSync(join(files(directory), 'holiday.jpg'), 'utf8')).toBe('jpg');
  });

  test('the data directory of a PostgreSQL server', async () => {
    const directory = fresh('server');
    mkdirSync(directory);
    writeFileSync(join(directory, 'PG_VERSION'), '18\n');
    await expect(open(directory)).rejects.toThrow('belongs to a PostgreSQL server');
    expect(existsSync(join(directory, 'pg'))).toBe(false);
  });

  test('a file, or a folder below a file', async () => {
    const file = fresh('file');
    writeFileSync(file, 'x');
    await expect(open(file)).rejects.toThrow('it is not a folder');
    await expect(open(join(file, 'below'))).rejects.toThrow('it is not a folder');
  });

  test('after a refusal the folder is free again', async () => {
    const directory = copy('repaired');
    const version = join(files(directory), 'PG_VERSION');
    const content = readFileSync(version);
    rmSync(version);
    await expect(open(directory)).rejects.toThrow('PG_VERSION is missing');
    writeFileSync(version, content);
    await (await open(directory)).close();
  });
});

test('CHECKPOINT every minute and VACUUM every hour stand in for the background workers that are missing', () => {
  jest.useFakeTimers();
  const statements: string[] = [];
  const pool = {
    query: async (statement: string) => {
      statements.push(statement);
      throw new Error('busy');
    },
  } as unknown as Pool;
  const stop = maintain(pool);
  jest.advanceTimersByTime(60 * 60_000);
  expect(statements).toHaveLength(60);
  expect(statements.indexOf('VACUUM (ANALYZE)')).toBe(59);
  expect(new Set(statements)).toEqual(new Set(['CHECKPOINT', 'VACUUM (ANALYZE)']));
  stop();
  jest.advanceTimersByTime(60 * 60_000);
  expect(statements).toHaveLength(60);
  jest.useRealTimers();
});
