import type { Pool } from 'pg';
import { preparedStatement } from '../platform/database/prepared-statement.ts';

/** So long somebody who comes back late is told so. */
const KEPT_HOURS = 24;
const BATCH = 500;

const ATTEMPTS = `DELETE FROM upstream_attempts WHERE id IN (SELECT id FROM upstream_attempts
  WHERE expires_at < now() - interval '${KEPT_HOURS} hours' LIMIT $1 FOR UPDATE SKIP LOCKED) RETURNING 1`;

/** Removes a batch of journeys that ended long ago; true while there may be more. */
export function createUpstreamsCleanUp({ pool }: { pool: Pool }) {
  const removeAttempts = preparedStatement(pool, 'upstream_attempts.clean_up', ATTEMPTS);
  return async (batch = BATCH): Promise<boolean> => (await removeAttempts([batch])).length === batch;
}
