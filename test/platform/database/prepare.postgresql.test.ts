import { randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import pg from 'pg';
import { isUnavailable } from '../../../src/platform/database/database-errors.ts';
import { migrate } from '../../../src/platform/database/migrate.ts';
import { checkServer, openPostgresqlPool } from '../../../src/platform/database/postgresql.ts';
import { openPreparedDatabase } from '../../../src/platform/database/prepare.ts';
import { grantTo, isGranted } from '../../../src/platform/database/role-check.ts';
import { SecretText } from '../../../src/platform/secret-text.ts';

const server = process.env.TEST_POSTGRES_URL!;

let administrator: pg.Pool;
let database: string;
const roles: string[] = [];

beforeAll(() => {
  administrator = new pg.Pool({ connectionString: server });
});
afterAll(() => administrator.end());
beforeEach(async () => {
  database = `prepare_${randomBytes(6).toString('hex')}`;
  await administrator.query(`CREATE DATABASE ${database}`);
});
afterEach(async () => {
  await administrator.query(`DROP DATABASE ${database} WITH (FORCE)`);
  for (const role of roles.splice(0).reverse()) await administrator.query(`DROP ROLE ${role}`);
});

async function createRole(attributes = ''): Promise<string> {
  const role = `role_${randomBytes(6).toString('hex')}`;
  await administrator.query(`CREATE ROLE ${role} LOGIN PASSWORD 'hunter2' ${attributes}`);
  roles.push(role);
  return role;
}

function urlFor(role?: string): string {
  const url = new URL(server);
  url.pathname = `/${database}`;
  if (role) {
    url.username = role;
    url.password = 'hunter2';
  }
  return url.href;
}

interface OpenOptions {
  production?: boolean;
  owner?: string;
  warn?: (text: string) => void;
}

function open(role: string | undefined, { production = true, owner, warn }: OpenOptions = {}) {
  return openPreparedDatabase({
    location: {
      kind: 'postgresql',
      url: new SecretText(urlFor(role)),
      ...(owner && { migrationUrl: new SecretText(urlFor(owner)) }),
    },
    production,
    ...(warn && { warn }),
  });
}

async function asOwner<T>(work: (pool: pg.Pool) => Promise<T>, role?: string): Promise<T> {
  const pool = new pg.Pool({ connectionString: urlFor(role) });
  // `end` does not wait for the sockets, and dropping the database ends what is left of them.
  pool.on('error', () => {});
  try {
    return await work(pool);
  } finally {
    await pool.end();
  }
}

/** What `daemun migrate --grant-to` does. */
async function migrated(appRole: string): Promise<void> {
  await asOwner(async (pool) => {
    await migrate(pool);
    await grantTo(pool, appRole);
  });
}

describe('a role that stands above row-level security is refused, in production and elsewhere', () => {
  test.each([
    ['a superuser', 'SUPERUSER', /a superuser: row-level security would not bind the service\. Create a role /],
    ['one with BYPASSRLS', 'BYPASSRLS', /with BYPASSRLS: row-level security/],
  ])('%s', async (_what, attributes, message) => {
    const role = await createRole(attributes);
    await migrated(role);
    for (const [production, advice] of [
      [true, /daemun migrate --grant-to/],
      [false, /ALTER DATABASE … OWNER TO/],
    ] as const) {
      const refusal = open(role, { production });
      await expect(refusal).rejects.toMatchObject({ forOperator: true, message: expect.stringMatching(message) });
      await expect(refusal).rejects.toThrow(advice);
    }
  });

  test('one that could become such a role by SET ROLE', async () => {
    const above = await createRole('BYPASSRLS');
    const between = await createRole(`IN ROLE ${above}`);
    const role = await createRole(`NOINHERIT IN ROLE ${between}`);
    await migrated(role);
    for (const production of [true, false]) {
      await expect(open(role, { production })).rejects.toThrow(`a member of the role "${above}" with BYPASSRLS`);
    }
  });
});

describe('in production, a role that could change the rules is refused', () => {
  test('the owner of a table, who is welcome elsewhere', async () => {
    const role = await createRole();
    await migrated(role);
    await asOwner((pool) => pool.query(`ALTER TABLE users OWNER TO ${role}`));
    await expect(open(role)).rejects.toThrow(/an owner of the table "users"/);
    await (await open(role, { production: false })).close();
    await asOwner((pool) => pool.query('ALTER TABLE users OWNER TO postgres'));
  });

  test('a member of the owning role', async () => {
    const [owner, role] = [await createRole(), await createRole()];
    await migrated(role);
    await asOwner((pool) => pool.query(`ALTER TABLE clients OWNER TO ${owner}; GRANT ${owner} TO ${role}`));
    await expect(open(role)).rejects.toThrow(/an owner of the table "clients"/);
    await asOwner((pool) => pool.query('ALTER TABLE clients OWNER TO postgres'));
  });

  test('a role that would become the owner by migrating is told to have it done', async () => {
    const role = await createRole();
    await asOwner((pool) => pool.query(`GRANT CREATE ON SCHEMA public TO ${role}`));
    await expect(open(role)).rejects.toThrow(
      /lacks \d+ migration\(s\).*daemun migrate --grant-to <role>.*MIGRATION_DATABASE_URL/,
    );
    expect(
      await asOwner((pool) => pool.query(`SELECT to_regclass('users') AS t`).then(({ rows }) => rows[0].t)),
    ).toBeNull();
  });

  test('a role without rights on the tables is told how to get them', async () => {
    const role = await createRole();
    await asOwner((pool) => migrate(pool));
    await expect(open(role)).rejects.toThrow(/may not read the tables\. Run `daemun migrate --grant-to/);
  });
});

describe('a database that a newer release has migrated', () => {
  const NEWER = '99991231000000_newer';

  test.each<[string, Parameters<typeof open>[1]]>([
    ['in production', { production: true }],
    ['where its owner migrates it at start', { owner: new URL(server).username }],
    ['elsewhere', { production: false }],
  ])('is served with a warning, and its history is read once: %s', async (_, options) => {
    const role = await createRole();
    await migrated(role);
    const insert = 'INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at)';
    await asOwner((pool) => pool.query(`${insert} VALUES ('x', 'x', $1, now())`, [NEWER]));
    const query = jest.spyOn(pg.Client.prototype, 'query');
    const warnings: string[] = [];
    try {
      await (await open(role, { ...options, warn: (text) => warnings.push(text) })).close();
      const asked = query.mock.calls.map(([given]: unknown[]) => (given as { text?: string }).text ?? String(given));
      expect(asked.filter((text) => text.includes('FROM "_prisma_migrations"'))).toHaveLength(1);
    } finally {
      query.mockRestore();
    }
    expect(warnings).toEqual([expect.stringContaining(NEWER)]);
  });
});

describe('a safe role', () => {
  test('works with the data and cannot rewrite what happened or change tables', async () => {
    const role = await createRole();
    await migrated(role);
    const { pool, prisma, close } = await open(role);
    await prisma.auditEvent.create({ data: { id: '01890a5d-ac96-774b-bcce-b302099a8057', type: 'probe' } });
    await pool.query(
      `INSERT INTO mail_messages (id, recipient, subject, text) VALUES (gen_random_uuid(), 'a', 'b', 'c')`,
    );
    await pool.query('UPDATE mail_messages SET subject = $1', ['d']);
    await pool.query('DELETE FROM mail_messages');
    for (const statement of [
      'DELETE FROM audit_events',
      'UPDATE audit_events SET type = type',
      'TRUNCATE audit_events',
      'DROP TABLE users',
      'ALTER TABLE users ADD COLUMN x text',
      'CREATE TABLE x ()',
      'ALTER TABLE audit_events DISABLE TRIGGER ALL',
      `DELETE FROM _prisma_migrations`,
    ]) {
      await expect(pool.query(statement)).rejects.toMatchObject({ code: '42501' });
    }
    await close();
  });

  test('gets its rights on tables of later migrations too', async () => {
    const role = await createRole();
    await migrated(role);
    await asOwner((pool) => pool.query('CREATE TABLE later (id int)'));
    await asOwner((pool) => pool.query('INSERT INTO later VALUES (1)'), role);
  });

  test('with MIGRATION_DATABASE_URL an empty database is migrated and granted at start', async () => {
    const role = await createRole();
    const { prisma, close } = await open(role, { owner: new URL(server).username });
    expect(await prisma.user.count()).toBe(0);
    await close();
    expect(await asOwner((pool) => isGranted(pool, role))).toBe(true);
  });

  test('a role that does not exist cannot be granted anything', async () => {
    await expect(asOwner((pool) => grantTo(pool, 'nobody"; DROP'))).rejects.toThrow('There is no role "nobody"; DROP"');
  });
});

test('five services that start at once on an empty database migrate it once', async () => {
  const owner = await createRole();
  await administrator.query(`ALTER DATABASE ${database} OWNER TO ${owner}`);
  const opened = await Promise.all(Array.from({ length: 5 }, () => open(owner, { production: false })));
  const { rows } = await opened[0]!.pool.query(
    'SELECT migration_name, count(*)::int AS n FROM _prisma_migrations GROUP BY 1',
  );
  await Promise.all(opened.map(({ close }) => close()));
  expect(rows.length).toBeGreaterThan(0);
  expect(rows.every(({ n }) => n === 1)).toBe(true);
});

describe('what cannot be used says so, without the password', () => {
  async function failure(change: (url: URL) => void): Promise<string> {
    const url = new URL(urlFor('postgres'));
    url.password = 'hunter2';
    change(url);
    const pool = openPostgresqlPool({ url: url.href });
    try {
      await checkServer(pool, url.href);
    } catch (error) {
      expect((error as { forOperator?: boolean }).forOperator).toBe(true);
      expect((error as Error).message).not.toContain('hunter2');
      return (error as Error).message;
    } finally {
      await pool.end();
    }
    throw new Error('it was reached');
  }

  test('nobody listens', async () => {
    const free = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => free.once('listening', resolve));
    const { port } = free.address() as { port: number };
    await new Promise((resolve) => free.close(resolve));
    const message = await failure((url) => {
      url.port = String(port);
    });
    expect(message).toMatch(
      new RegExp(`at 127\\.0\\.0\\.1:${port} cannot be reached \\(ECONNREFUSED\\)\\. Check DATABASE_URL`),
    );
  });

  test('somebody listens who is no PostgreSQL and never answers', async () => {
    const mute = createServer(() => {}).listen(0, '127.0.0.1');
    await new Promise((resolve) => mute.once('listening', resolve));
    const { port } = mute.address() as { port: number };
    const message = await failure((url) => {
      url.port = String(port);
    });
    expect(message).toMatch(/cannot be reached \(.*timeout.*\)/i);
    mute.close();
  });

  test('the host has no address', async () => {
    const message = await failure((url) => {
      url.hostname = 'database.invalid';
    });
    expect(message).toMatch(/at database\.invalid:\d+ cannot be reached \((?:ENOTFOUND|EAI_AGAIN)\)/);
  });

  test('there is no such database', async () => {
    const message = await failure((url) => {
      url.pathname = '/no_such_database';
    });
    expect(message).toMatch(/has no database "no_such_database"\. Create it/);
  });

  test('there is no such role', async () => {
    const message = await failure((url) => {
      url.username = 'no_such_role';
    });
    expect(message).toMatch(/refused the role "no_such_role"\. Check the role and the password/);
  });

  test('the server is older than 15', async () => {
    const old = { query: async () => ({ rows: [{ server_version_num: '140009' }] }) } as unknown as pg.Pool;
    await expect(checkServer(old, 'postgresql://u:hunter2@db/x')).rejects.toThrow(
      'PostgreSQL at db:5432 is 14.9; 15 or newer is needed.',
    );
  });
});

describe('a slow database makes requests fail and not pile up', () => {
  let pool: pg.Pool;
  beforeEach(() => {
    pool = openPostgresqlPool({ url: urlFor(), poolSize: 2 });
  });
  afterEach(() => pool.end());

  test('a statement that takes too long is cancelled', async () => {
    const error = await pool.query('SELECT pg_sleep(30)').catch((reason) => reason);
    expect([error.code, isUnavailable(error)]).toEqual(['57014', true]);
  });

  test('a lock that is not free is given up on', async () => {
    const holder = await pool.connect();
    await holder.query('BEGIN; CREATE TABLE locked (); COMMIT; BEGIN; LOCK TABLE locked');
    const error = await pool.query('SELECT * FROM locked').catch((reason) => reason);
    holder.release(true);
    expect([error.code, isUnavailable(error)]).toEqual(['55P03', true]);
  });

  test('when every connection is taken the next request is told so', async () => {
    const taken = [await pool.connect(), await pool.connect()];
    const error = await pool.query('SELECT 1').catch((reason) => reason);
    for (const client of taken) client.release();
    expect(isUnavailable(error)).toBe(true);
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  test('a connection that the server ends is replaced', async () => {
    const { rows } = await pool.query('SELECT pg_backend_pid() AS pid');
    await administrator.query('SELECT pg_terminate_backend($1)', [rows[0].pid]);
    const again = await pool
      .query('SELECT pg_backend_pid() AS pid')
      .catch(() => pool.query('SELECT pg_backend_pid() AS pid'));
    expect(again.rows[0].pid).not.toBe(rows[0].pid);
  });
});
