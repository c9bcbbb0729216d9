import { createHash, randomUUID } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Pool, PoolClient } from 'pg';
import { OperatorError } from '../operator-error.ts';

/** The number Prisma's own engine locks: whichever of the two migrates first, the other waits. */
const PRISMA_ADVISORY_LOCK = 72707369;

/** How long one migration may wait for a lock, with every query on that table queueing behind it. */
const MIGRATION_LOCK_TIMEOUT = '10s';

/** The product's own migrations, seen from `src/` and from `dist/` alike. */
export const migrationsDirectory = fileURLToPath(new URL('../../../prisma/migrations', import.meta.url));

interface Migration {
  name: string;
  sql: string;
  checksum: string;
}

/**
 * Applies what is missing, oldest first, one transaction each, and returns the names applied. Forward only.
 * The history table is Prisma's, row for row, so `prisma migrate deploy` works on the same database.
 * @throws OperatorError when an applied migration was changed, failed half-way elsewhere, is unknown to this release, or fails now
 */
export async function migrate(pool: Pool, directory: string = migrationsDirectory): Promise<string[]> {
  const migrations = readMigrations(directory);
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    // Waiting for another node's migration takes as long as that takes.
    await client.query('SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0');
    await client.query('SELECT pg_advisory_lock($1)', [PRISMA_ADVISORY_LOCK]);
    const missing = await findMissing(client, migrations);
    if (missing.length) await createHistory(client);
    for (const migration of missing) await apply(client, migration);
    return missing.map(({ name }) => name);
  } finally {
    await client
      .query('SELECT pg_advisory_unlock($1)', [PRISMA_ADVISORY_LOCK])
      .then(() =>
        client.query('RESET statement_timeout; RESET lock_timeout; RESET idle_in_transaction_session_timeout'),
      )
      .catch((error: Error) => {
        broken = error;
      });
    client.release(broken);
  }
}

/**
 * The names that `migrate` would apply. Needs no right but to read the history, so the application's own role can ask.
 * @throws OperatorError as `migrate`
 */
export async function pendingMigrations(pool: Pool, directory: string = migrationsDirectory): Promise<string[]> {
  const client = await pool.connect();
  try {
    return (await findMissing(client, readMigrations(directory))).map(({ name }) => name);
  } finally {
    client.release();
  }
}

function readMigrations(directory: string): Migration[] {
  return readdirSync(directory)
    .filter((name) => existsSync(join(directory, name, 'migration.sql')))
    .sort()
    .map((name) => {
      const sql = readFileSync(join(directory, name, 'migration.sql'), 'utf8');
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
    });
}

function createHistory(client: PoolClient): Promise<unknown> {
  return client.query(`CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
    "id" VARCHAR(36) PRIMARY KEY NOT NULL, "checksum" VARCHAR(64) NOT NULL, "finished_at" TIMESTAMPTZ,
    "migration_name" VARCHAR(255) NOT NULL, "logs" TEXT, "rolled_back_at" TIMESTAMPTZ,
    "started_at" TIMESTAMPTZ NOT NULL DEFAULT now(), "applied_steps_count" INTEGER NOT NULL DEFAULT 0)`);
}

interface HistoryRow {
  migration_name: string;
  checksum: string;
  finished_at: Date | null;
}

async function findMissing(client: PoolClient, migrations: Migration[]): Promise<Migration[]> {
  const applied = new Map((await readHistory(client)).map((row) => [row.migration_name, row]));
  const known = new Set(migrations.map(({ name }) => name));
  for (const name of applied.keys()) {
    if (!known.has(name)) {
      throw new OperatorError(
        `The database has migration ${name}, which this release does not know. Run the newer release it came with; nothing was changed.`,
      );
    }
  }
  return migrations.filter(({ name, checksum }) => {
    const row = applied.get(name);
    if (!row) return true;
    if (row.checksum !== checksum) {
      throw new OperatorError(
        `Migration ${name} was changed after it had been applied. Restore prisma/migrations/${name}/migration.sql as it was released.`,
      );
    }
    if (!row.finished_at) {
      throw new OperatorError(`Migration ${name} failed before; repair it with \`prisma migrate resolve\`.`);
    }
    return false;
  });
}

async function readHistory(client: PoolClient): Promise<HistoryRow[]> {
  const { rows: found } = await client.query(`SELECT to_regclass('"_prisma_migrations"') IS NOT NULL AS exists`);
  if (!found[0].exists) return [];
  const { rows } = await client.query<HistoryRow>(
    'SELECT migration_name, checksum, finished_at FROM "_prisma_migrations" WHERE rolled_back_at IS NULL',
  );
  return rows;
}

async function apply(client: PoolClient, { name, sql, checksum }: Migration): Promise<void> {
  try {
    await client.query('BEGIN');
    await client.query(`SET LOCAL lock_timeout = '${MIGRATION_LOCK_TIMEOUT}'`);
    await client.query(sql);
    await client.query(
      `INSERT INTO "_prisma_migrations" (id, checksum, migration_name, finished_at, applied_steps_count)
       VALUES ($1, $2, $3, now(), 1)`,
      [randomUUID(), checksum, name],
    );
    await client.query('COMMIT');
  } catch (cause) {
    await client.query('ROLLBACK').catch(() => {});
    throw new OperatorError(`Migration ${name} failed and was rolled back: ${(cause as Error).message}.`, cause);
  }
}
