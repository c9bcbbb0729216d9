import { join } from 'node:path';
import pg from 'pg';
import { lockDirectory } from './directory-lock.ts';

const MAINTENANCE_INTERVAL = 60_000;
const MAINTENANCE_ROUNDS_PER_VACUUM = 60;

export interface EmbeddedPool {
  pool: pg.Pool;
  close(): Promise<void>;
}

/** Opens PGlite under `directory`. The pool has one client because PGlite has one session: the pool is the queue. */
export async function openEmbeddedPool(directory: string): Promise<EmbeddedPool> {
  const lock = await lockDirectory(directory);
  const { PGlite } = await import('@electric-sql/pglite');
  const lite = new PGlite(join(directory, 'pg'), {
    startParams: [...PGlite.defaultStartParams, '-c', 'max_wal_size=64MB', '-c', 'min_wal_size=32MB'],
  });
  await lite.waitReady;
  const pool = await poolOver(lite);
  const stopMaintenance = maintain(pool);
  return {
    pool,
    async close() {
      stopMaintenance();
      await pool.end();
      await lite.close();
      lock.close();
    },
  };
}

/** A node-postgres pool whose single client talks to `lite`. */
export async function poolOver(lite: import('@electric-sql/pglite').PGlite): Promise<pg.Pool> {
  const { PGliteStream } = await import('./pglite-stream.ts');
  return new pg.Pool({
    max: 1,
    idleTimeoutMillis: 0,
    user: 'postgres',
    password: 'unused',
    database: 'postgres',
    stream: () => new PGliteStream(lite),
  } as unknown as pg.PoolConfig);
}

/** Single-user PostgreSQL has no checkpointer and no autovacuum: without this the WAL grows without bound. */
function maintain(pool: pg.Pool): () => void {
  let round = 0;
  const timer = setInterval(() => {
    round += 1;
    const statement = round % MAINTENANCE_ROUNDS_PER_VACUUM === 0 ? 'VACUUM (ANALYZE)' : 'CHECKPOINT';
    pool.query(statement).catch(() => {});
  }, MAINTENANCE_INTERVAL).unref();
  return () => clearInterval(timer);
}
