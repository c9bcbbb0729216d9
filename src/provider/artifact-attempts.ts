import type { Pool } from 'pg';
import { insertPlaced } from '../audit/audit.store.ts';
import type { PreparedEvent } from '../audit/audit.ts';
import { createStatementBatch } from '../platform/database/statement-batch.ts';
import { prepared } from './artifact-statement.ts';

/** With its record, which names the person whose grant the artifact is of, and says if this try was the last. */
const COUNT_FAILURE = `
  WITH counted AS (
    UPDATE protocol_artifacts a SET failures = coalesce(failures, 0) + 1,
      revoked_at = CASE WHEN coalesce(failures, 0) + 1 >= $2::int THEN now() END
    WHERE id = $1::bytea AND consumed_at IS NULL AND revoked_at IS NULL
    RETURNING revoked_at IS NOT NULL AS is_void,
      (SELECT g.account_id FROM protocol_artifacts g WHERE g.id = a.grant_id) AS user_id),
  recorded AS (${insertPlaced(
    `(SELECT json_agg(given.value::jsonb || jsonb_strip_nulls(jsonb_build_object('user_id', user_id)) ||
        CASE WHEN is_void THEN jsonb_build_object('details', given.value::jsonb -> 'details' || '{"codeVoided":true}')
          ELSE '{}' END)
      FROM json_array_elements($3::json) AS given(value), counted)`,
    'true',
  )})
  SELECT is_void, user_id FROM counted`;

interface Failure {
  id: Buffer;
  /** As many wrong proofs void it. */
  tries: number;
  /** Stored with the count, and queued where there is nothing to count on: unknown, spent or void before. */
  event: PreparedEvent | undefined;
}

type Counted = [isVoid: string, userId: string | null];

/**
 * Counts wrong proofs per artifact in the database, so that parallel guesses on many nodes count as many. Answers whether it is void
 * now. S-034, S-175
 */
export function createFailureCount(pool: Pool): (failure: Failure) => Promise<boolean> {
  const count = prepared<Counted>(pool, 'artifacts.count-failure', COUNT_FAILURE);
  const countInTurn = createStatementBatch<Failure, Counted | undefined>({
    maxItems: 1,
    async send([failure]) {
      const { id, tries, event } = failure!;
      return [(await count([id, tries, JSON.stringify(event ? [event.row] : [])]))[0]];
    },
  });
  return async (failure) => {
    const counted = await countInTurn(failure);
    const isVoid = counted?.[0] !== 'f';
    if (failure.event) tell(failure.event, counted, isVoid);
    return isVoid;
  };
}

function tell(event: PreparedEvent, counted: Counted | undefined, isVoid: boolean): void {
  if (!counted) return void event.enqueue().catch(() => {});
  // As the statement wrote it.
  if (counted[1] !== null) event.row.user_id = counted[1];
  if (isVoid) event.row.details.codeVoided = true;
  event.stored();
}
