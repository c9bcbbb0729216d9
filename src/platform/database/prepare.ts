import type pg from 'pg';
import { OperatorError } from '../operator-error.ts';
import type { SecretText } from '../secret-text.ts';
import { type Database, openDatabase } from './database.ts';
import { type Migrated, migrate, migrationsDirectory, pendingMigrations } from './migrate.ts';
import { checkDirectUrl, missingRoleSettings } from './pooler.ts';
import { checkServer, openPostgresqlPool } from './postgresql.ts';
import { becomeEmbeddedRole, checkRole, grantTo, isGranted } from './role-check.ts';

export interface PrepareOptions {
  location:
    | { kind: 'embedded'; directory: string }
    | {
        kind: 'postgresql';
        url: SecretText;
        migrationUrl?: SecretText;
        poolSize?: number;
        pooler?: { directUrl?: SecretText };
      };
  production: boolean;
  /** Told what works and deserves a second look. */
  warn?: (text: string) => void;
  /** Another set than the product's own, for tests. */
  migrations?: string;
}

/**
 * Opens the database, refuses what is not fit to run on, and brings the tables up to date. What `app.ts` and the commands start with.
 * @throws OperatorError; everything that was opened is closed again
 */
export async function openPreparedDatabase(options: PrepareOptions): Promise<Database> {
  const database = await openDatabase(options.location);
  try {
    await prepare(database, options);
    return database;
  } catch (error) {
    await database.close();
    throw error;
  }
}

async function prepare(
  database: Database,
  { location, production, migrations = migrationsDirectory, warn = () => {} }: PrepareOptions,
) {
  const { pool } = database;
  if (location.kind === 'embedded') {
    await migrate(pool, migrations);
    await becomeEmbeddedRole(pool);
    return;
  }
  await checkServer(pool, location.url.reveal());
  await checkRole(pool, { production });
  if (location.pooler) await checkPooler(pool, location.pooler, warn);
  const { newer } = location.migrationUrl
    ? await migrateAsOwner(database, location.migrationUrl.reveal(), migrations)
    : // In production the role that makes a table would own it, so the application's role never does.
      await (production ? requireMigrated(database, migrations) : migrate(pool, migrations));
  if (newer.length) warn(`The database is a newer release's (${newer.at(-1)}): replace this one by that soon.`);
}

async function checkPooler(
  pool: pg.Pool,
  { directUrl }: { directUrl?: SecretText },
  warn: (text: string) => void,
): Promise<void> {
  const doubts = [
    await missingRoleSettings(pool),
    directUrl
      ? await checkDirectUrl(pool, directUrl.reveal())
      : 'Without DATABASE_DIRECT_URL this node learns of changed keys by looking, every few seconds.',
  ];
  for (const doubt of doubts) if (doubt) warn(doubt);
}

async function requireMigrated({ pool }: Database, migrations: string): Promise<Pick<Migrated, 'newer'>> {
  const { pending, newer } = await pendingMigrations(pool, migrations).catch((error: { code?: string }) => {
    if (error.code !== '42501') throw error;
    throw new OperatorError(
      `The role of DATABASE_URL may not read the tables. Run \`daemun migrate --grant-to <role>\` with the owner's DATABASE_URL.`,
      error,
    );
  });
  if (!pending.length) return { newer };
  throw new OperatorError(
    `The database lacks ${pending.length} migration(s), first ${pending[0]}. Run \`daemun migrate --grant-to <role>\` with the ` +
      `owner's DATABASE_URL, or set MIGRATION_DATABASE_URL to have it done at start.`,
  );
}

async function migrateAsOwner(database: Database, ownerUrl: string, migrations: string): Promise<Migrated> {
  const owner = openPostgresqlPool({ url: ownerUrl, poolSize: 1, transactionPooled: database.pooler !== undefined });
  try {
    await checkServer(owner, ownerUrl, 'MIGRATION_DATABASE_URL');
    const migrated = await migrate(owner, migrations);
    const { rows } = await database.pool.query<{ role: string }>('SELECT current_user AS role');
    if (!(await isGranted(owner, rows[0]!.role))) await grantTo(owner, rows[0]!.role);
    return migrated;
  } finally {
    await owner.end();
  }
}
