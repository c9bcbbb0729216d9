import type { Pool } from 'pg';
import { createStatementBatch } from '../platform/database/statement-batch.ts';
import { prepared } from './artifact-statement.ts';

/** What another node is deleting, or a request is using, is left for the next round. */
const DELETE_EXPIRED = `
  WITH gone AS (
    DELETE FROM protocol_artifacts WHERE id IN (
      SELECT id FROM protocol_artifacts WHERE expires_at <= now()
      ORDER BY expires_at LIMIT $1::int FOR UPDATE SKIP LOCKED
    ) RETURNING 1
  )
  SELECT count(*) FROM gone`;

const BATCH = 500;

/**
 * Every row goes at its own time and none before: a tombstone when the grant would have ended, a spent refresh token when
 * it would have expired, because until then a replay of it must still be recognised.
 */
export function createExpiredDeletion(pool: Pool): (limit?: number) => Promise<number> {
  const deleteExpired = prepared<[count: string]>(pool, 'artifacts.delete-expired', DELETE_EXPIRED);
  const inTurn = createStatementBatch<number, number>({
    maxItems: 1,
    async send([limit]) {
      const [row] = await deleteExpired([limit]);
      return [Number(row?.[0] ?? 0)];
    },
  });
  return (limit = BATCH) => inTurn(limit);
}
