import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { PGlite } from '@electric-sql/pglite';
import pg from 'pg';
import { type Database, databaseOver, openDatabase } from '../../src/platform/database/database.ts';
import { poolOver } from '../../src/platform/database/embedded.ts';

/**
 * A fresh migrated database for one test file: an in-memory PGlite, or, when the suite runs for PostgreSQL
 * (TEST_POSTGRES_URL), a new database there. `connect` opens a further, independent pool on the same data:
 * a second node. On PGlite, which has one session, it shares the one pool there is.
 */
export interface TestDatabase extends Database {
  /** Set on PostgreSQL only. */
  url?: string;
  connect(): Promise<Database>;
}

/**
 * Who works with test databases: owns the tables, so that tests may tamper with them, and is above no rule, so that row-level security
 * binds it as it binds the service. `global-setup.js` makes it.
 */
const ROLE = 'daemun_tests';

export async function openTestDatabase(): Promise<TestDatabase> {
  const server = process.env.TEST_POSTGRES_URL;
  return server ? openPostgresql(server) : openEmbedded();
}

async function openEmbedded(): Promise<TestDatabase> {
  const template = process.env.TEST_PGLITE_TEMPLATE;
  if (!template) throw new Error('TEST_PGLITE_TEMPLATE is missing: run tests by `npm test` or `npm run jest`');
  const lite = new PGlite({ loadDataDir: new Blob([new Uint8Array(readFileSync(template))]) });
  await lite.waitReady;
  const pool = await poolOver(lite);
  pool.options.onConnect = async (client) => void (await client.query(`SET ROLE ${ROLE}`));
  const others: Database[] = [];
  const database = databaseOver('embedded', pool, async () => {
    for (const other of others) await other.close();
    await pool.end();
    await lite.close();
  });
  return {
    ...database,
    async connect() {
      const second = databaseOver('embedded', pool, async () => {});
      others.push({ ...second, close: once(second.close) });
      return others.at(-1)!;
    },
  };
}

async function openPostgresql(server: string): Promise<TestDatabase> {
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  await administer(
    server,
    `CREATE DATABASE ${name} OWNER ${ROLE} TEMPLATE ${process.env.TEST_POSTGRES_TEMPLATE ?? 'daemun_template'}`,
  );
  const url = urlOf(server, name);
  const others: Database[] = [];
  const first = await openDatabase({ kind: 'postgresql', url });
  return {
    ...first,
    url,
    async connect() {
      const second = await openDatabase({ kind: 'postgresql', url });
      others.push({ ...second, close: once(second.close) });
      return others.at(-1)!;
    },
    async close() {
      for (const other of others) await other.close();
      await first.close();
      await administer(server, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    },
  };
}

/**
 * An empty database on PostgreSQL, for a whole service that migrates it when it starts. Undefined when the suite runs embedded,
 * where a service makes its own.
 */
export async function createEmptyDatabase(): Promise<{ url: string; close(): Promise<void> } | undefined> {
  const server = process.env.TEST_POSTGRES_URL;
  if (!server) return undefined;
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  await administer(server, `CREATE DATABASE ${name} OWNER ${ROLE} TEMPLATE template0`);
  return {
    url: urlOf(server, name),
    close: () => administer(server, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
  };
}

/** As the role, with the password that the administrator has. */
function urlOf(server: string, database: string): string {
  return Object.assign(new URL(server), { username: ROLE, pathname: `/${database}` }).href;
}

async function administer(server: string, statement: string): Promise<void> {
  const client = new pg.Client(server);
  await client.connect();
  // Two test files may copy the template at the same moment, which PostgreSQL refuses.
  for (let attempt = 0; ; attempt++) {
    try {
      await client.query(statement);
      break;
    } catch (error) {
      if ((error as { code?: string }).code !== '55006' || attempt === 50) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  await client.end();
}

function once(close: () => Promise<void>): () => Promise<void> {
  let closing: Promise<void> | undefined;
  return () => {
    closing ??= close();
    return closing;
  };
}
