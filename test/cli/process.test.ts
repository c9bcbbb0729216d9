import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import pg from 'pg';
import { digestOfClientSecret } from '../../src/clients/client-secret.ts';
import { createEmptyDatabase } from '../support/database.ts';

// Real processes, the first of which creates a database.
jest.setTimeout(120_000);

const root = fileURLToPath(new URL('../../', import.meta.url));
const SERVER = process.env.TEST_POSTGRES_URL;

let directory: string;
let database: Awaited<ReturnType<typeof createEmptyDatabase>>;
let databaseUrl: string | undefined;
let environment: Record<string, string>;
const running: ChildProcess[] = [];

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'daemun-cli-'));
  // Without tables: the test's own template has no history of migrations.
  database = await createEmptyDatabase();
  databaseUrl = database?.url;
  environment = {
    PATH: process.env.PATH ?? '',
    ISSUER: 'http://localhost:3999',
    PORT: '0',
    KEYS_DIR: join(directory, 'keys'),
    ...(databaseUrl ? { DATABASE_URL: databaseUrl } : { DATA_DIR: join(directory, 'data') }),
  };
});

afterAll(async () => {
  for (const child of running) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
  await database?.close();
  rmSync(directory, { recursive: true, force: true });
});

async function query(url: string, statement: string): Promise<unknown[]> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return (await client.query(statement)).rows;
  } finally {
    await client.end();
  }
}

async function daemun(argv: string[], more: Record<string, string> = {}) {
  const child = spawn(process.execPath, [join(root, 'bin/daemun.mjs'), ...argv], {
    cwd: directory,
    env: { ...environment, ...more },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  const [exitCode] = await once(child, 'close');
  return { exitCode, stdout, stderr };
}

async function json(...argv: string[]) {
  const { exitCode, stdout, stderr } = await daemun([...argv, '--json']);
  if (exitCode !== 0) throw new Error(`${argv.join(' ')}: ${exitCode} ${stderr}`);
  return JSON.parse(stdout);
}

async function startService(): Promise<ChildProcess> {
  const child = spawn(process.execPath, [join(root, 'dist/main.js')], { cwd: directory, env: environment });
  running.push(child);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      said += text;
    });
  }
  while (!said.includes('is ready')) {
    if (child.exitCode !== null) throw new Error(`the service ended with ${child.exitCode}: ${said}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return child;
}

test('commands work without a running service, on a database that was not there', async () => {
  const { user, link } = await json('users', 'create', '--email', 'ada@example.com', '--admin');
  expect(link).toMatch(/^http:\/\/localhost:3999\/set-password\//);
  const { users } = await json('users', 'list');
  expect(users).toEqual([user]);
});

test('commands work while the service runs, and it knows what they did', async () => {
  writeFileSync(join(directory, 'more.json'), JSON.stringify({ require_auth_time: true }));
  const service = await startService();
  const created = await json(
    ...['clients', 'create', '--name', 'Notes', '--redirect-uri', 'https://notes.example.com/cb'],
    ...['--metadata', 'more.json'],
  );
  expect(created.metadata.require_auth_time).toBe(true);
  // Two at once, and one that is refused.
  const [shown, listed, refused] = await Promise.all([
    json('clients', 'show', created.id),
    json('clients', 'list'),
    daemun(['clients', 'show', 'nobody']),
  ]);
  expect(shown.id).toBe(created.id);
  expect(listed.clients).toContainEqual(shown);
  expect(refused).toMatchObject({ exitCode: 1, stdout: '' });
  expect(refused.stderr).toContain('There is no client nobody');
  service.kill('SIGTERM');
  expect(await once(service, 'exit')).toEqual([0, null]);
  expect(await json('clients', 'show', created.id)).toEqual(shown);
});

test('a service that was killed is not in the way', async () => {
  const service = await startService();
  service.kill('SIGKILL');
  await once(service, 'exit');
  expect((await json('users', 'list')).users).toHaveLength(1);
});

test('several commands at once on one database each do their work', async () => {
  const created = await Promise.all(
    ['a', 'b', 'c'].map((name) =>
      json('clients', 'create', '--name', name, '--grant-type', 'client_credentials', '--id', `machine-${name}`),
    ),
  );
  const { clients } = await json('clients', 'list');
  const ids = clients.map(({ id }: { id: string }) => id);
  expect(ids).toEqual(expect.arrayContaining(created.map(({ id }) => id)));
});

test('S-045 a secret is in no file of the database', async () => {
  const { secret } = await json('clients', 'rotate-secret', 'machine-a');
  if (databaseUrl) {
    const rows = await query(databaseUrl, 'SELECT s::text AS text FROM client_secrets s');
    expect(JSON.stringify(rows)).toContain(digestOfClientSecret(secret).toString('hex'));
    expect(JSON.stringify(rows)).not.toContain(secret);
    return;
  }
  const files = readdirSync(join(directory, 'data'), { recursive: true, withFileTypes: true });
  const contents = files
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name)));
  expect(contents.some((content) => content.includes(digestOfClientSecret(secret)))).toBe(true);
  expect(contents.some((content) => content.includes(secret))).toBe(false);
});

test('config:check says everything that is wrong at once and starts nothing', async () => {
  const wrong = { ISSUER: 'http://id.example.com', PORT: 'many', DAEMUN_ACCES_TOKEN_LIFETIME: '5m' };
  const { exitCode, stdout, stderr } = await daemun(['config:check'], wrong);
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
  for (const variable of Object.keys(wrong)) expect(stderr).toContain(variable);
  const { error } = JSON.parse((await daemun(['config:check', '--json'], wrong)).stderr);
  expect(error.problems.map(({ field }: { field: string }) => field).sort()).toEqual(Object.keys(wrong).sort());
});

test('config:check says what a valid configuration means, without a secret', async () => {
  const { exitCode, stdout } = await daemun(['config:check']);
  expect(exitCode).toBe(0);
  expect(stdout).toContain('http://localhost:3999');
  const checked = await json('config:check');
  expect(checked).toMatchObject({ valid: true, production: false, database: SERVER ? 'postgresql' : 'embedded' });
  if (databaseUrl) expect(stdout).not.toContain(databaseUrl);
});

test('a wrong configuration ends every command before anything is opened', async () => {
  const { exitCode, stderr } = await daemun(['users', 'list'], { PORT: 'many' });
  expect(exitCode).toBe(1);
  expect(stderr).toContain('PORT');
});

test('migrate has nothing to do where everything is up to date', async () => {
  expect(await json('migrate')).toEqual({ applied: [] });
  expect((await daemun(['migrate'])).stdout).toBe('Nothing to apply.\n');
});

test('migrate gives a role what the service needs, which the embedded database has no use for', async () => {
  const role = `test_cli_${process.pid}`;
  if (!databaseUrl) {
    expect(await daemun(['migrate', '--grant-to', role])).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('--grant-to is for PostgreSQL'),
    });
    return;
  }
  expect((await daemun(['migrate', '--grant-to', role])).stderr).toContain(`no role "${role}"`);
  const administrator = Object.assign(new URL(SERVER!), { pathname: new URL(databaseUrl).pathname }).href;
  await query(administrator, `CREATE ROLE ${role}`);
  expect(await json('migrate', '--grant-to', role)).toEqual({ applied: [], grantedTo: role });
  const [rights] = await query(
    databaseUrl,
    `SELECT has_table_privilege('${role}', 'clients', 'UPDATE') AS clients, has_table_privilege('${role}', 'audit_events', 'DELETE') AS audit`,
  );
  expect(rights).toEqual({ clients: true, audit: false });
  await query(administrator, `DROP OWNED BY ${role}`);
  await query(administrator, `DROP ROLE ${role}`);
});

test('help and wrong usage need no configuration', async () => {
  const broken = { PORT: 'many' };
  expect((await daemun(['--help'], broken)).exitCode).toBe(0);
  expect((await daemun(['clients'], broken)).exitCode).toBe(2);
});

test.each([[['--help']], [['users', 'list']]])(
  'a reader that stops before the end, as head does, is no error: %j',
  async (argv) => {
    const child = spawn(process.execPath, [join(root, 'bin/daemun.mjs'), ...argv], {
      cwd: directory,
      env: environment,
    });
    child.stdout.destroy();
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text;
    });
    const [exitCode] = await once(child, 'close');
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  },
);
