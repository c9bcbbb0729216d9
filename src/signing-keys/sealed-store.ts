import type { Pool, PoolClient } from 'pg';
import { retryConflicts } from '../platform/database/statement-batch.ts';
import type { KeyEncryption } from './envelope.ts';
import { assertCanOpen, findKekIds } from './key-encryption.ts';

/** Ours among the advisory locks of the database: whoever makes or changes keys and secrets holds it. */
export const KEY_LOCK = 7_270_001;

/**
 * Runs `work` alone among all nodes, and only with a key-encryption key for everything that was sealed so far: two nodes that
 * start at once with different keys cannot leave a mixture.
 * @throws KeyEncryptionError
 */
export async function whileMakingSecrets<Result>(
  pool: Pool,
  keyEncryption: KeyEncryption,
  work: (client: PoolClient) => Promise<Result>,
): Promise<Result> {
  return retryConflicts(async () => {
    const client = await pool.connect();
    try {
      await client.query('BEGIN');
      await client.query('SELECT pg_advisory_xact_lock($1)', [KEY_LOCK]);
      assertCanOpen(keyEncryption.kekIds, await findKekIds(client));
      const result = await work(client);
      await client.query('COMMIT');
      return result;
    } catch (error) {
      await client.query('ROLLBACK').catch(() => {});
      throw error;
    } finally {
      client.release();
    }
  });
}

/** Unseals one row. @throws Error naming the row, when it was altered or moved */
export function openRow<Result>(name: string, open: () => Result): Result {
  try {
    return open();
  } catch (cause) {
    throw new Error(
      `${name} in the database cannot be opened: it was altered, moved or cut. Restore it from a backup.`,
      {
        cause,
      },
    );
  }
}
