import type { Pool } from 'pg';
import { preparedStatement } from '../platform/database/prepared-statement.ts';

/** Secrets that ended so many days ago are no longer shown either. */
const KEPT_DAYS = 30;
const BATCH = 500;

const SECRETS = `DELETE FROM client_secrets WHERE id IN (SELECT id FROM client_secrets
  WHERE expires_at < now() - interval '${KEPT_DAYS} days' LIMIT $1 FOR UPDATE SKIP LOCKED) RETURNING 1`;

/** Removes a batch of client secrets that ended long ago; true while there may be more. */
export function createClientsCleanUp({ pool }: { pool: Pool }) {
  const removeSecrets = preparedStatement(pool, 'client_secrets.clean_up', SECRETS);
  return async (batch = BATCH): Promise<boolean> => (await removeSecrets([batch])).length === batch;
}
