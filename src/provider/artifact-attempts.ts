import type { Pool } from 'pg';
import { createStatementBatch } from '../platform/database/statement-batch.ts';
import { prepared } from './artifact-statement.ts';

const COUNT_FAILURE = `
  UPDATE protocol_artifacts SET failures = coalesce(failures, 0) + 1,
    revoked_at = CASE WHEN coalesce(failures, 0) + 1 >= $2::int THEN now() END
  WHERE id = $1::bytea AND consumed_at IS NULL AND revoked_at IS NULL
  RETURNING revoked_at IS NOT NULL`;

interface Failure {
  id: Buffer;
  tries: number;
}

/** Counts wrong proofs per artifact in the database, so that parallel guesses on many nodes count as many. */
export function createFailureCount(pool: Pool): (id: Buffer, tries: number) => Promise<boolean> {
  const countFailure = prepared<[burnt: string]>(pool, 'artifacts.count-failure', COUNT_FAILURE);
  const inTurn = createStatementBatch<Failure, boolean>({
    maxItems: 1,
    async send([failure]) {
      const [row] = await countFailure([failure!.id, failure!.tries]);
      // Nothing to count on: unknown, spent or void before.
      return [row ? row[0] === 't' : true];
    },
  });
  return (id, tries) => inTurn({ id, tries });
}
