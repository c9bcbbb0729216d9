import pg from 'pg';
import { OperatorError } from '../operator-error.ts';
import { BoundedClient, type PooledConfig } from './bounded-client.ts';

const OLDEST_SUPPORTED = 150_000;
const STARTING_UP = '57P03';
const STARTING_UP_PATIENCE = 30_000;

/** More than any statement is given by the server, 15 s: whoever gets no answer by then gets none. */
const QUERY_TIMEOUT = 17_000;

/** After so long without a word the kernel asks whether the other side is there. */
export const KEEP_ALIVE = { keepAlive: true, keepAliveInitialDelayMillis: 10_000 };

export interface PostgresqlPoolOptions {
  url: string;
  poolSize?: number;
  /** Milliseconds. */
  queryTimeout?: number;
  /** A pooler in transaction mode is in between: it refuses settings for a session, which are those of the role then. */
  transactionPooled?: boolean;
}

/**
 * Timeouts, so that a slow database makes requests fail and not pile up: one second for a connection, two for
 * a statement, half a second for a lock. The server sees to those; where it is not heard any more, each query ends here.
 */
export function openPostgresqlPool({
  url,
  poolSize = 10,
  queryTimeout = QUERY_TIMEOUT,
  transactionPooled = false,
}: PostgresqlPoolOptions): pg.Pool {
  const options: pg.PoolConfig & PooledConfig = {
    Client: BoundedClient,
    transactionPooled,
    connectionString: url,
    max: poolSize,
    application_name: 'daemun',
    connectionTimeoutMillis: 1_000,
    idleTimeoutMillis: 60_000,
    ...KEEP_ALIVE,
    query_timeout: queryTimeout,
    ...(!transactionPooled && {
      statement_timeout: 2_000,
      lock_timeout: 500,
      idle_in_transaction_session_timeout: 10_000,
    }),
  };
  const pool = new pg.Pool(options);
  // An idle connection that breaks is replaced by the pool; without a listener it would end the process.
  pool.on('error', () => {});
  // So would one in use, of which its query has told already.
  pool.on('connect', (client) => void client.on('error', () => {}));
  return pool;
}

/**
 * Makes the first connection, so that a wrong address says so at start and not at the first sign-in.
 * @throws OperatorError
 */
export async function checkServer(pool: pg.Pool, url: string, name = 'DATABASE_URL'): Promise<void> {
  const version = await askVersion(pool, url, name);
  if (version < OLDEST_SUPPORTED) {
    const found = `${Math.floor(version / 10_000)}.${version % 10_000}`;
    throw new OperatorError(`PostgreSQL at ${serverOf(url)} is ${found}; 15 or newer is needed.`);
  }
}

async function askVersion(pool: pg.Pool, url: string, name: string): Promise<number> {
  const deadline = Date.now() + STARTING_UP_PATIENCE;
  for (;;) {
    try {
      const { rows } = await pool.query<{ server_version_num: string }>('SHOW server_version_num');
      return Number(rows[0]!.server_version_num);
    } catch (error) {
      if ((error as { code?: string }).code !== STARTING_UP || Date.now() > deadline) throw explain(error, url, name);
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }
}

/** Names the server, the role and the database, never the password. */
function explain(error: unknown, url: string, name: string): OperatorError {
  const { code, message } = error as { code?: string; message: string };
  const server = serverOf(url);
  const { username, pathname } = new URL(url);
  switch (code) {
    case '28P01':
    case '28000':
      return new OperatorError(
        `PostgreSQL at ${server} refused the role "${decodeURIComponent(username)}". Check the role and the password in ${name}, and pg_hba.conf.`,
        error,
      );
    case '08P01':
      if (!/startup parameter/.test(message)) break;
      return new OperatorError(
        `The server at ${server} is a pooler that takes no settings for a session (${message}). Set DATABASE_POOLER=transaction, and leave \`options\` out of ${name}.`,
        error,
      );
    case '3D000':
      return new OperatorError(
        `PostgreSQL at ${server} has no database "${decodeURIComponent(pathname.slice(1))}". Create it: CREATE DATABASE.`,
        error,
      );
    case '53300':
      return new OperatorError(
        `PostgreSQL at ${server} has no connection left. Raise max_connections or lower DAEMUN_DATABASE_POOL_SIZE.`,
        error,
      );
  }
  return new OperatorError(
    `PostgreSQL at ${server} cannot be reached (${code ?? message}). Check ${name} and that the server runs.`,
    error,
  );
}

function serverOf(url: string): string {
  const { hostname, port, searchParams } = new URL(url);
  return `${searchParams.get('host') ?? (hostname || 'localhost')}:${port || '5432'}`;
}
