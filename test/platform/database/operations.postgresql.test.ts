import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import * as oidc from 'openid-client';
import pg from 'pg';
import { openBeside, populate, signInAndRefresh } from '../../support/deployed-service.ts';
import { connect } from '../../support/flow-client.ts';
import { freePort } from '../../support/free-port.ts';
import { killAll, type Run, root, start, stop } from '../service-process.ts';

jest.setTimeout(120_000);

const server = process.env.TEST_POSTGRES_URL!;
const mark = randomBytes(6).toString('hex');
/** Of the whole server, so not by the names that another test could have. */
const names = {
  owner: `owner_${mark}`,
  app: `app_${mark}`,
  database: `operated_${mark}`,
  restored: `restored_${mark}`,
};
const passwords = { owner: `a'b"c\\d $HOME :x@/?#é`, app: `'; DROP ROLE ${names.owner}; --` };
const folder = mkdtempSync(join(tmpdir(), 'daemun-operations-'));
const dump = join(folder, 'daemun.dump');
/** Where Debian has them, if they are not on the path. */
const PATH = `${process.env.PATH}:/usr/lib/postgresql/17/bin:/usr/lib/postgresql/16/bin:/usr/lib/postgresql/15/bin`;

let administrator: pg.Pool;
beforeAll(() => {
  administrator = new pg.Pool({ connectionString: server });
});
afterAll(async () => {
  killAll();
  for (const database of [names.database, names.restored]) {
    await administrator.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`);
  }
  for (const role of [names.owner, names.app]) await administrator.query(`DROP ROLE IF EXISTS ${role}`);
  await administrator.end();
  rmSync(folder, { recursive: true, force: true });
});

function urlOf(role: 'owner' | 'app', database = names.database): string {
  const url = new URL(server);
  url.username = names[role];
  url.password = encodeURIComponent(passwords[role]);
  url.pathname = `/${database}`;
  return url.href;
}

/** deploy/postgres/10-roles.sh, with names of our own. */
function makeRoles(database: string): { status: number | null; stderr: string } {
  const { hostname, port, username, password } = new URL(server);
  const script = readFileSync(join(root, 'deploy/postgres/10-roles.sh'), 'utf8')
    .replaceAll('daemun_owner', names.owner)
    .replaceAll('daemun_app', names.app)
    .replace(/DATABASE daemun\b/g, `DATABASE ${database}`)
    .replaceAll("'daemun'", `'${database}'`);
  return spawnSync('sh', ['-s'], {
    input: script,
    encoding: 'utf8',
    env: {
      PATH,
      PGHOST: hostname,
      PGPORT: port || '5432',
      PGPASSWORD: password,
      POSTGRES_USER: username,
      DAEMUN_OWNER_PASSWORD: passwords.owner,
      DAEMUN_APP_PASSWORD: passwords.app,
    },
  });
}

function migrateAsOwner(database: string): string {
  return execFileSync(process.execPath, ['bin/daemun.mjs', 'migrate', '--grant-to', names.app], {
    cwd: root,
    encoding: 'utf8',
    env: { PATH: process.env.PATH, DATABASE_URL: urlOf('owner', database) },
  });
}

test('the script of the roles makes what the service needs, and run again spoils nothing, whatever the passwords are', async () => {
  expect(makeRoles(names.database)).toMatchObject({ status: 0, stderr: '' });
  migrateAsOwner(names.database);
  expect(makeRoles(names.database)).toMatchObject({ status: 0, stderr: '' });
  expect(migrateAsOwner(names.database)).toMatch(/up to date|nothing/i);
  const { rows } = await administrator.query(
    'SELECT rolname, rolsuper, rolcanlogin, rolconfig FROM pg_roles WHERE rolname = ANY ($1) ORDER BY rolname',
    [[names.owner, names.app]],
  );
  expect(rows).toEqual([
    {
      rolname: names.app,
      rolsuper: false,
      rolcanlogin: true,
      rolconfig: ['statement_timeout=2s', 'lock_timeout=500ms', 'idle_in_transaction_session_timeout=10s'],
    },
    { rolname: names.owner, rolsuper: false, rolcanlogin: true, rolconfig: null },
  ]);
});

test('a backup restored into a new database serves the tokens and people of the old one, with the same key only', async () => {
  const port = String(await freePort());
  const variables = {
    ISSUER: `http://127.0.0.1:${port}`,
    PORT: port,
    KEY_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
    DAEMUN_BCRYPT_COST: '4',
    LOG_LEVEL: 'warn',
  };
  const run = async (database: string, more: Record<string, string> = {}): Promise<Run> =>
    start({ ...variables, DATABASE_URL: urlOf('app', database), ...more });

  const before = await run(names.database);
  await before.ready;
  const beside = await openBeside({ ...variables, DATABASE_URL: urlOf('app'), LOG_LEVEL: 'silent' });
  const { clientId } = await populate(beside);
  const made = await beside.apiKeys.create(
    { kind: 'system' },
    { name: 'Monitoring', access: { [`${variables.ISSUER}/api/v1`]: ['users:read'] } },
    { as: 'administrator' },
    { actor: 'test' },
  );
  if (made.kind !== 'created') throw new Error(made.kind);
  await beside.close();
  const { refreshed } = await signInAndRefresh(variables.ISSUER, clientId);
  const published = async (): Promise<unknown[]> => {
    const answer = await fetch(`${variables.ISSUER}/.well-known/jwks.json`);
    return ((await answer.json()) as { keys: unknown[] }).keys;
  };
  const keys = await published();
  expect(await stop(before)).toMatchObject({ code: 0 });

  const tool = (name: string, ...rest: string[]) =>
    execFileSync(name, rest, { env: { PATH, PGOPTIONS: '-c daemun.role=caretaker' }, encoding: 'utf8' });
  const dumping = ['--format=custom', `--file=${dump}`, `--dbname=${urlOf('owner')}`];
  // Not even the owner may see all rows by itself: a dump that would lack some is refused.
  expect(() => execFileSync('pg_dump', dumping, { env: { PATH }, stdio: 'pipe' })).toThrow(/row-level security/);
  tool('pg_dump', '--enable-row-security', ...dumping);
  expect(makeRoles(names.restored)).toMatchObject({ status: 0 });
  tool(
    'pg_restore',
    '--no-owner',
    '--no-privileges',
    '--exit-on-error',
    '--single-transaction',
    `--dbname=${urlOf('owner', names.restored)}`,
    dump,
  );
  migrateAsOwner(names.restored);

  const wrong = await run(names.restored, { KEY_ENCRYPTION_KEY: randomBytes(32).toString('base64') });
  expect(await wrong.ended).toMatchObject({ code: 1, error: expect.stringMatching(/KEY_ENCRYPTION_KEY/) });

  const after = await run(names.restored);
  await after.ready;
  // Those and, once the first has signed for a while, their successors.
  expect(await published()).toEqual(expect.arrayContaining(keys));
  const config = await connect({ issuer: variables.ISSUER }, { id: clientId });
  expect(await oidc.refreshTokenGrant(config, refreshed.refresh_token!)).toMatchObject({
    access_token: expect.any(String),
  });
  await signInAndRefresh(variables.ISSUER, clientId);
  const restored = await openBeside({ ...variables, DATABASE_URL: urlOf('app', names.restored), LOG_LEVEL: 'silent' });
  expect(await restored.apiKeyCheck.check(made.value.reveal(), {})).toMatchObject({ apiKey: { id: made.apiKey.id } });
  await restored.close();
  expect(await stop(after)).toMatchObject({ code: 0 });
});

test('S-175 what is old in the audit log is removed by the command of the docs, of a superuser, and by neither role', async () => {
  // `end` does not wait for the sockets, and dropping the database ends what is left of them.
  const pool = (url: string) => new pg.Pool({ connectionString: url }).on('error', () => {});
  const [superuser, owner, app] = [
    pool(Object.assign(new URL(server), { pathname: `/${names.database}` }).href),
    pool(urlOf('owner')),
    pool(urlOf('app')),
  ];
  try {
    const old = `'request of long ago'`;
    await superuser.query(
      `INSERT INTO audit_events (id, at, type, request_id) VALUES (gen_random_uuid(), now() - interval '401 days', 'token.issued', ${old})`,
    );
    const count = async () =>
      (
        await superuser.query(
          `SELECT count(*)::int AS all, count(*) FILTER (WHERE request_id = ${old})::int AS old FROM audit_events`,
        )
      ).rows[0] as { all: number; old: number };
    const before = await count();
    expect(before.old).toBe(1);
    expect(before.all).toBeGreaterThan(10);
    for (const role of [owner, app]) {
      await expect(role.query(`DELETE FROM audit_events WHERE request_id = ${old}`)).rejects.toThrow();
      await expect(role.query('SET session_replication_role = replica')).rejects.toThrow(/permission denied/);
    }
    const section = readFileSync(join(root, 'docs/operations.md'), 'utf8').split('## Audit log')[1]!.split('\n## ')[0]!;
    const [, command] = /```sh\n(.*?)```/s.exec(section)!;
    const { hostname, port, username, password } = new URL(server);
    const { status, stdout, stderr } = spawnSync('sh', ['-s'], {
      input: command!.replace('--dbname=daemun', `--dbname=${names.database}`),
      encoding: 'utf8',
      env: { PATH, PGHOST: hostname, PGPORT: port || '5432', PGUSER: username, PGPASSWORD: password },
    });
    expect([status, stderr, stdout]).toEqual([0, '', 'SET\nDELETE 1\n']);
    expect(await count()).toEqual({ all: before.all - 1, old: 0 });
  } finally {
    for (const one of [superuser, owner, app]) await one.end();
  }
});
