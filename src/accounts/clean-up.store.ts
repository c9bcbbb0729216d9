import type { Pool } from 'pg';
import { preparedStatement } from '../platform/database/prepared-statement.ts';

/** What has ended is kept for so many days, for whoever looks into what happened. */
const KEPT_DAYS = 30;
const BATCH = 500;

/** Sessions that were ended, or that nobody used until the engine forgot them. $2 is that time in seconds. */
const SESSIONS = `DELETE FROM user_sessions WHERE uid IN (SELECT uid FROM user_sessions
  WHERE LEAST(ended_at, last_used_at + $2::int * interval '1 second') < now() - interval '${KEPT_DAYS} days'
  LIMIT $1 FOR UPDATE SKIP LOCKED) RETURNING 1`;

/** Links that were spent, or that nobody followed in time. */
const LINKS = `DELETE FROM one_time_links WHERE digest IN (SELECT digest FROM one_time_links
  WHERE LEAST(consumed_at, expires_at) < now() - interval '${KEPT_DAYS} days'
  LIMIT $1 FOR UPDATE SKIP LOCKED) RETURNING 1`;

/** They tell an address and a name of somebody who may be nobody here: gone soon after nobody can follow them any more. */
const PENDING = `DELETE FROM pending_links WHERE id IN (SELECT id FROM pending_links
  WHERE expires_at < now() - interval '1 day' LIMIT $1 FOR UPDATE SKIP LOCKED) RETURNING 1`;

export interface AccountsCleanUpOptions {
  pool: Pool;
  /** Seconds without use after which the engine has forgotten a session. */
  sessionLifetime: number;
}

/** Removes a batch of what ended long ago; true while there may be more. Rows that somebody holds wait for the next time. */
export function createAccountsCleanUp({ pool, sessionLifetime }: AccountsCleanUpOptions) {
  const removeSessions = preparedStatement(pool, 'sessions.clean_up', SESSIONS);
  const removeLinks = preparedStatement(pool, 'one_time_links.clean_up', LINKS);
  const removePending = preparedStatement(pool, 'pending_links.clean_up', PENDING);
  return async (batch = BATCH): Promise<boolean> => {
    const sessions = await removeSessions([batch, sessionLifetime]);
    const links = await removeLinks([batch]);
    const pending = await removePending([batch]);
    return [sessions, links, pending].some(({ length }) => length === batch);
  };
}
