import { createHash, randomUUID } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Pool, PoolClient } from 'pg';
import { OperatorError } from '../operator-error.ts';
import { liftQueryTimeout } from './bounded-client.ts';
import { untilLocked } from './until-locked.ts';

/** The number Prisma's own engine locks: whichever of the two migrates first, the other waits. */
const PRISMA_ADVISORY_LOCK = 72707369;

/** How long a migration may wait for a lock, with every query on that table queueing behind it: less than a request waits for one. */
const LOCK_TIMEOUT = '200ms';
/** Milliseconds for which it tries again, so that it finds its moment beside long transactions, such as a backup's end. */
const LOCK_PATIENCE = 60_000;
const LOCK_PAUSE = 500;

/** The product's own migrations, seen from `src/` and from `dist/` alike. */
export const migrationsDirectory = fileURLToPath(new URL('../../../prisma/migrations', import.meta.url));

/** `…_drop_old_names_after_20270105093000`: takes away what releases that do not have that migration use. */
const NEEDS = /_after_(\d{14})$/;

interface Migration {
  name: string;
  sql: string;
  checksum: string;
}

/** Names, oldest first. */
export interface Migrated {
  applied: string[];
  /** What a newer release applied. */
  newer: string[];
}

/**
 * Applies what is missing, oldest first, one transaction each. Forward only.
 * The history table is Prisma's, row for row, so `prisma migrate deploy` works on the same database.
 * @throws OperatorError when the database is of another program, an applied migration was changed, failed half-way elsewhere, is
 * of a newer release that took away what this one needs, or fails now
 */
export async function migrate(
  pool: Pool,
  directory: string = migrationsDirectory,
  patience: number = LOCK_PATIENCE,
): Promise<Migrated> {
  const migrations = readMigrations(directory);
  const client = await pool.connect();
  let broken: Error | undefined;
  // Waiting for another node's migration takes as long as that takes.
  const restoreQueryTimeout = liftQueryTimeout(client);
  const applied: string[] = [];
  try {
    for (;;) {
      const { name, newer } = await untilLocked(() => applyNext(client, migrations), {
        patience,
        pauseFor: () => LOCK_PAUSE,
        stepBack: () => client.query('ROLLBACK'),
      });
      if (name === undefined) return { applied, newer };
      applied.push(name);
    }
  } catch (error) {
    await client.query('ROLLBACK').catch((failure: Error) => {
      broken = failure;
    });
    throw error;
  } finally {
    restoreQueryTimeout();
    client.release(broken);
  }
}

/**
 * In one transaction, which the lock and the settings belong to as well: nothing is left with the connection, so this works through
 * a pooler too. No name when nothing is missing.
 */
async function applyNext(client: PoolClient, migrations: Migration[]): Promise<{ name?: string; newer: string[] }> {
  await client.query('BEGIN');
  await client.query(
    'SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0',
  );
  await client.query('SELECT pg_advisory_xact_lock($1)', [PRISMA_ADVISORY_LOCK]);
  const { missing, newer } = await compare(client, migrations);
  const [next] = missing;
  if (next) await apply(client, next);
  await client.query('COMMIT');
  return { ...(next && { name: next.name }), newer };
}

/**
 * What `migrate` would apply, and what a newer release has applied. Needs no right but to read the history, so the application's own
 * role can ask.
 * @throws OperatorError as `migrate`
 */
export async function pendingMigrations(
  pool: Pool,
  directory: string = migrationsDirectory,
): Promise<{ pending: string[]; newer: string[] }> {
  const client = await pool.connect();
  try {
    const { missing, newer } = await compare(client, readMigrations(directory));
    return { pending: missing.map(({ name }) => name), newer };
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

/** What the history lacks, and what it has more. */
async function compare(
  client: PoolClient,
  migrations: Migration[],
): Promise<{ missing: Migration[]; newer: string[] }> {
  const applied = new Map((await readHistory(client)).map((row) => [row.migration_name, row]));
  const known = new Set(migrations.map(({ name }) => name));
  if (!migrations.some(({ name }) => applied.has(name))) await refuseForeign(client, migrations, [...applied.keys()]);
  const unknown = [...applied.values()].filter(({ migration_name }) => !known.has(migration_name));
  refuseUnknown(unknown, migrations);
  const missing = migrations.filter(({ name, checksum }) => {
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
  if (missing.length && unknown.length) throw unknownTo(unknown[0]!.migration_name);
  return { missing, newer: unknown.map(({ migration_name }) => migration_name).sort() };
}

/**
 * A newer release's migrations keep this one working: a node that is started again between the migration and its replacement, or an
 * operator who goes back, is served. But for what says in its name that it took something away.
 * @throws OperatorError
 */
function refuseUnknown(unknown: HistoryRow[], migrations: Migration[]): void {
  const newest = migrations.at(-1)?.name ?? '';
  for (const { migration_name: name, finished_at: finishedAt } of unknown) {
    const needed = NEEDS.exec(name)?.[1];
    // One from before our newest is of a release that went another way.
    if (!finishedAt || name < newest || (needed && newest < needed)) throw unknownTo(name);
  }
}

function unknownTo(name: string): OperatorError {
  return new OperatorError(
    `The database has migration ${name}, which this release does not know. Run the newer release it came with; nothing was changed.`,
  );
}

/**
 * Of a database that was never ours. What has other names may stay beside us, and other schemas are not looked at.
 * @throws OperatorError when something there has a name that our first migrations would give
 */
async function refuseForeign(client: PoolClient, migrations: Migration[], applied: string[]): Promise<void> {
  const taken = applied.length ? [] : await findTaken(client, migrations.flatMap(namesMadeBy));
  if (!applied.length && !taken.length) return;
  const sign = applied.length
    ? `its migrations are of another program, ${applied[0]} for one`
    : `it has "${taken[0]}", a name that Daemun uses, and no history of Daemun`;
  const { rows } = await client.query<{ schema: string }>('SELECT current_schema() AS schema');
  throw new OperatorError(
    `Schema "${rows[0]!.schema}" is a database of something else: ${sign}. Nothing was changed. Choose another DATABASE_URL, ` +
      'or another DATA_DIR if the database is embedded, or give Daemun an empty schema.',
  );
}

/** Tables and types share their names. */
function namesMadeBy({ sql }: Migration): string[] {
  return [...sql.matchAll(/(?:^|;)\s*CREATE (?:TABLE|TYPE) (?:IF NOT EXISTS )?"?(\w+)"?/gim)].map(([, name]) => name!);
}

async function findTaken(client: PoolClient, names: string[]): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relname = ANY ($1)
     UNION SELECT typname FROM pg_type WHERE typnamespace = current_schema()::regnamespace AND typname = ANY ($1)
     ORDER BY 1`,
    [names],
  );
  return rows.map(({ name }) => name);
}

async function readHistory(client: PoolClient): Promise<HistoryRow[]> {
  // Not `to_regclass`, which would also find that of another program in a later schema of the search path.
  const { rows: found } = await client.query(
    `SELECT FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relname = '_prisma_migrations'`,
  );
  if (!found.length) return [];
  const { rows } = await client.query<HistoryRow>(
    'SELECT migration_name, checksum, finished_at FROM "_prisma_migrations" WHERE rolled_back_at IS NULL',
  );
  return rows;
}

async function apply(client: PoolClient, { name, sql, checksum }: Migration): Promise<void> {
  try {
    await client.query(`SET LOCAL lock_timeout = '${LOCK_TIMEOUT}'`);
    await createHistory(client);
    await client.query(sql);
    await client.query(
      `INSERT INTO "_prisma_migrations" (id, checksum, migration_name, finished_at, applied_steps_count)
       VALUES ($1, $2, $3, now(), 1)`,
      [randomUUID(), checksum, name],
    );
  } catch (cause) {
    throw new OperatorError(`Migration ${name} failed and was rolled back: ${(cause as Error).message}.`, cause);
  }
}
