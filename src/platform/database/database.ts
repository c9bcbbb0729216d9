import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { PrismaClient } from '../../generated/prisma/client.ts';
import { openEmbeddedPool } from './embedded.ts';

/** One database, two doors: Prisma for people, clients and administration; prepared SQL for protocol artifacts. */
export interface Database {
  kind: 'embedded' | 'postgresql';
  pool: pg.Pool;
  prisma: PrismaClient;
  close(): Promise<void>;
}

export type DatabaseLocation =
  | { kind: 'embedded'; directory: string }
  | { kind: 'postgresql'; url: string; poolSize?: number };

export async function openDatabase(location: DatabaseLocation): Promise<Database> {
  if (location.kind === 'embedded') {
    const { pool, close } = await openEmbeddedPool(location.directory);
    return databaseOver('embedded', pool, close);
  }
  const pool = new pg.Pool({ connectionString: location.url, max: location.poolSize ?? 10 });
  // An idle connection that breaks is replaced by the pool; without a listener it would end the process.
  pool.on('error', () => {});
  return databaseOver('postgresql', pool, () => pool.end());
}

export function databaseOver(kind: Database['kind'], pool: pg.Pool, closePool: () => Promise<void>): Database {
  const prisma = new PrismaClient({
    adapter: new PrismaPg(pool),
    // The embedded database runs transactions one after the other: waiting is normal there.
    transactionOptions: { maxWait: 10_000, timeout: 10_000 },
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
