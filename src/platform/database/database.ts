import { PrismaPg } from '@prisma/adapter-pg';
import type pg from 'pg';
import { PrismaClient } from '../../generated/prisma/client.ts';
import type { SecretText } from '../secret-text.ts';
import { openEmbeddedPool } from './embedded.ts';
import { openPostgresqlPool } from './postgresql.ts';

/** One database, two doors: Prisma for people, clients and administration; prepared SQL for protocol artifacts. */
export interface Database {
  kind: 'embedded' | 'postgresql';
  pool: pg.Pool;
  prisma: PrismaClient;
  /** Set when a pooler in transaction mode is in between; the address past it, where there is one. */
  pooler?: { directUrl?: string };
  close(): Promise<void>;
}

export type DatabaseLocation =
  | { kind: 'embedded'; directory: string }
  | { kind: 'postgresql'; url: string | SecretText; poolSize?: number; pooler?: { directUrl?: SecretText } };

/**
 * Opens without looking inside: `prepareDatabase` checks and migrates.
 * @throws OperatorError when the embedded directory is in use, foreign or damaged
 */
export async function openDatabase(location: DatabaseLocation): Promise<Database> {
  if (location.kind === 'embedded') {
    const { pool, close } = await openEmbeddedPool(location.directory);
    return databaseOver('embedded', pool, close);
  }
  const { url, poolSize, pooler } = location;
  const pool = openPostgresqlPool({
    url: typeof url === 'string' ? url : url.reveal(),
    poolSize,
    transactionPooled: pooler !== undefined,
  });
  const database = databaseOver('postgresql', pool, () => pool.end());
  if (!pooler) return database;
  return { ...database, pooler: pooler.directUrl ? { directUrl: pooler.directUrl.reveal() } : {} };
}

export function databaseOver(kind: Database['kind'], pool: pg.Pool, closePool: () => Promise<void>): Database {
  const prisma = new PrismaClient({
    adapter: new PrismaPg(pool),
    // The embedded database runs transactions one after the other: waiting is normal there.
    transactionOptions: kind === 'embedded' ? { maxWait: 10_000, timeout: 10_000 } : { maxWait: 2_000, timeout: 5_000 },
  });
  return {
    kind,
    pool,
    prisma,
    async close() {
      await prisma.$disconnect();
      await closePool();
    },
  };
}
