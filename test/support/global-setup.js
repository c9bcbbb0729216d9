// Runs once before all test files: migrates one database and keeps it as the template that every file copies.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';

/** See database.ts. */
const ROLE = 'daemun_tests';

const migrations = new URL('../../prisma/migrations/', import.meta.url);

function migrationsSql() {
  return readdirSync(migrations)
    .filter((name) => name !== 'migration_lock.toml')
    .sort()
    .map((name) => readFileSync(new URL(`${name}/migration.sql`, migrations), 'utf8'));
}

export default async function globalSetup() {
  if (process.env.TEST_POSTGRES_URL) await preparePostgresql(process.env.TEST_POSTGRES_URL);
  else await prepareEmbedded();
}

async function prepareEmbedded() {
  const { PGlite } = await import('@electric-sql/pglite');
  const lite = new PGlite();
  await lite.exec(`CREATE ROLE ${ROLE}; GRANT pg_checkpoint, pg_maintain TO ${ROLE};
    GRANT CREATE ON DATABASE postgres TO ${ROLE}; ALTER SCHEMA public OWNER TO ${ROLE}; SET ROLE ${ROLE}`);
  for (const sql of migrationsSql()) await lite.exec(sql);
  const folder = mkdtempSync(join(tmpdir(), 'daemun-test-'));
  const file = join(folder, 'template.tar');
  writeFileSync(file, Buffer.from(await (await lite.dumpDataDir('none')).arrayBuffer()));
  await lite.close();
  process.env.TEST_PGLITE_TEMPLATE = file;
  globalThis.removeTestTemplate = async () => rmSync(folder, { recursive: true, force: true });
}

async function preparePostgresql(server) {
  const template = `daemun_template_${process.pid}`;
  const run = async (database, statements) => {
    const client = new pg.Client(Object.assign(new URL(server), { pathname: `/${database}` }).href);
    await client.connect();
    for (const statement of statements) await client.query(statement);
    await client.end();
  };
  const password = decodeURIComponent(new URL(server).password).replaceAll("'", "''");
  // Two runs on one server may make it at the same moment.
  const createRole = `DO $$ BEGIN
    CREATE ROLE ${ROLE} LOGIN ${password && `PASSWORD '${password}'`};
  EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$`;
  // For tests of deadlocks, which would wait for a second each; nothing of it is above a rule.
  const grantTimeout = `DO $$ BEGIN
    IF NOT has_parameter_privilege('${ROLE}', 'deadlock_timeout', 'SET') THEN
      GRANT SET ON PARAMETER deadlock_timeout TO ${ROLE};
    END IF;
  EXCEPTION WHEN unique_violation OR internal_error THEN NULL; END $$`;
  await run('postgres', [
    createRole,
    grantTimeout,
    `DROP DATABASE IF EXISTS ${template}`,
    `CREATE DATABASE ${template} OWNER ${ROLE}`,
  ]);
  await run(template, [`SET ROLE ${ROLE}`, ...migrationsSql()]);
  process.env.TEST_POSTGRES_TEMPLATE = template;
  globalThis.removeTestTemplate = () => run('postgres', [`DROP DATABASE IF EXISTS ${template} WITH (FORCE)`]);
}
