import type { Pool } from 'pg';
import { workAs } from '../platform/database/as-subject.ts';
import { retryConflicts } from '../platform/database/statement-batch.ts';

/** Keys that ended so many days ago are no longer shown either; the audit log still tells of them. */
const KEPT_DAYS = 400;
const BATCH = 500;

/** Never back in time; and where another node noted a use of the same minute, nothing is written. */
const NOTE = `UPDATE api_keys k SET last_used_at = used.at
  FROM (SELECT id, now() - age * interval '1 millisecond' AS at FROM unnest($1::uuid[], $2::float8[]) AS use (id, age)) used
  WHERE k.id = used.id AND (k.last_used_at IS NULL OR k.last_used_at < used.at - interval '1 minute')`;

const REMOVE = `DELETE FROM api_keys WHERE id IN (SELECT id FROM api_keys
  WHERE revoked_at < now() - interval '${KEPT_DAYS} days' OR expires_at < now() - interval '${KEPT_DAYS} days'
  LIMIT $1 FOR UPDATE SKIP LOCKED) RETURNING 1`;

/** For `last-use.ts`: all in one statement. */
export function createUseWriter(pool: Pool): (uses: { id: string; age: number }[]) => Promise<void> {
  return (uses) =>
    retryConflicts(() =>
      workAs(pool, { role: 'caretaker' }, async (client) => {
        await client.query(NOTE, [uses.map(({ id }) => id), uses.map(({ age }) => age)]);
      }),
    );
}

/** Removes a batch of keys that ended long ago; true while there may be more. */
export function createApiKeysCleanUp({ pool }: { pool: Pool }) {
  return async (batch = BATCH): Promise<boolean> => {
    const { rowCount } = await workAs(pool, { role: 'caretaker' }, (client) => client.query(REMOVE, [batch]));
    return rowCount === batch;
  };
}
