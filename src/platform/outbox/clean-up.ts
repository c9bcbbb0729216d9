import type { Pool } from 'pg';

/** So long the delivery log says what became of it. */
const KEPT_DAYS = 30;
const BATCH = 500;

/** Also of kinds that no node delivers, where nobody else would look. */
const EXPIRE = `UPDATE outbox_effects SET due_at = NULL, died_at = now(), taken_at = NULL, sealed = NULL, wrapped_data_key = NULL,
    kek_id = NULL, last_error = COALESCE(last_error || '; ', '') || 'it was of no use any more'
  WHERE id IN (SELECT id FROM outbox_effects WHERE due_at <= now() AND expires_at <= now() LIMIT $1 FOR UPDATE SKIP LOCKED)`;

const ERASE = `UPDATE outbox_effects SET sealed = NULL, wrapped_data_key = NULL, kek_id = NULL
  WHERE id IN (SELECT id FROM outbox_effects WHERE died_at IS NOT NULL AND expires_at <= now() AND sealed IS NOT NULL
    LIMIT $1 FOR UPDATE SKIP LOCKED)`;

const REMOVE = `DELETE FROM outbox_effects WHERE id IN (SELECT id FROM outbox_effects
  WHERE delivered_at < now() - interval '${KEPT_DAYS} days' OR died_at < now() - interval '${KEPT_DAYS} days'
  LIMIT $1 FOR UPDATE SKIP LOCKED)`;

/** Gives up and erases a batch of what nobody has a use for any more, and removes old entries; true while there may be more. */
export function createOutboxCleanUp({ pool }: { pool: Pool }) {
  return async (batch = BATCH): Promise<boolean> => {
    const counts: (number | null)[] = [];
    for (const statement of [EXPIRE, ERASE, REMOVE]) counts.push((await pool.query(statement, [batch])).rowCount);
    return counts.includes(batch);
  };
}
