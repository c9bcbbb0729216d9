import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import pg from 'pg';
import { lockDirectory } from './directory-lock.ts';
import { damagedDirectory, inspectDirectory } from './embedded-directory.ts';
import { FLUSH_ALL } from './unflushed.ts';

const MAINTENANCE_INTERVAL = 60_000;
const MAINTENANCE_ROUNDS_PER_VACUUM = 60;

/** One session serves everybody in turn, so waiting is normal; forever is not. */
const POOL_WAIT = 10_000;

export interface EmbeddedPool {
  pool: pg.Pool;
  close(): Promise<void>;
}

type PGlite = import('@electric-sql/pglite').PGlite;

/**
 * Opens PGlite under `directory`. The pool has one client because PGlite has one session: the pool is the queue.
 * @throws OperatorError when another process has the directory, or it holds no database of ours
 */
export async function openEmbeddedPool(directory: string): Promise<EmbeddedPool> {
  const lock = await lockDirectory(directory);
  try {
    const creation = inspectDirectory(directory);
    const lite = await openFiles(directory);
    creation?.created();
    const pool = await poolOver(lite);
    const stopMaintenance = maintain(pool);
    return {
      pool,
      async close() {
        stopMaintenance();
        await pool.end();
        await lite.close();
        lock.release();
      },
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}

async function openFiles(directory: string): Promise<PGlite> {
  const { PGlite } = await import('@electric-sql/pglite');
  preferQuickStart();
  try {
    const lite = new PGlite(join(directory, 'pg'), {
      startParams: [...PGlite.defaultStartParams, '-c', 'max_wal_size=64MB', '-c', 'min_wal_size=32MB', ...FLUSH_ALL],
    });
    await lite.waitReady;
    return lite;
  } catch (error) {
    throw damagedDirectory(directory, error);
  }
}

/**
 * Leaves WebAssembly to the baseline compiler: half the CPU of a start and a fifth of its memory, for queries that later cost a
 * quarter more (measured on Node 20 and 22; from 24 on the engine does not listen).
 */
function preferQuickStart(): void {
  if (Number.parseInt(process.versions.node, 10) < 24) setFlagsFromString('--liftoff-only');
}

/** A node-postgres pool whose single client talks to `lite`. */
export async function poolOver(lite: PGlite): Promise<pg.Pool> {
  const { PGliteStream } = await import('./pglite-stream.ts');
  // The wait below is for a place in the queue, not for the database to come up.
  await lite.waitReady;
  const pool = new pg.Pool({
    max: 1,
    idleTimeoutMillis: 0,
    connectionTimeoutMillis: POOL_WAIT,
    user: 'postgres',
    password: 'unused',
    database: 'postgres',
    stream: () => new PGliteStream(lite),
  } as unknown as pg.PoolConfig);
  // Whoever asks next gets the error; without a listener it would end the process.
  pool.on('error', () => {});
  return pool;
}

/** Single-user PostgreSQL has no checkpointer and no autovacuum: without this the WAL grows without bound. */
export function maintain(pool: pg.Pool): () => void {
  let round = 0;
  const timer = setInterval(() => {
    round += 1;
    const statement = round % MAINTENANCE_ROUNDS_PER_VACUUM === 0 ? 'VACUUM (ANALYZE)' : 'CHECKPOINT';
    pool.query(statement).catch(() => {});
  }, MAINTENANCE_INTERVAL).unref();
  return () => clearInterval(timer);
}
