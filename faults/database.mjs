import { join } from 'node:path';

/** What the checker compares the history with: read when all is over, straight from the tables. */
const QUERIES = {
  artifacts: `SELECT encode(id, 'hex') AS id, kind, revoked_at IS NOT NULL AS revoked, consumed_at IS NOT NULL AS consumed,
      uid, account_id AS "userId", client_id AS "clientId"
    FROM protocol_artifacts`,
  audit: `SELECT type, user_id AS "userId", client_id AS "clientId", session_id AS "sessionId", actor, request_id AS "requestId"
    FROM audit_events`,
  consents: 'SELECT user_id AS "userId", client_id AS "clientId", scopes FROM consents',
  links: `SELECT encode(digest, 'hex') AS digest, consumed_at AS "consumedAt" FROM one_time_links`,
  sessions: 'SELECT uid, user_id AS "userId", ended_at IS NOT NULL AS ended FROM user_sessions',
  users: 'SELECT id, state FROM users',
};

/**
 * @param query answers the rows of a statement
 * @returns artifacts by digest, consents by `user/client`, links by digest (null while not spent), users by id, sessions, audit rows
 */
export async function readDatabase(query) {
  const rows = {};
  for (const [name, text] of Object.entries(QUERIES)) rows[name] = await query(text);
  return {
    artifacts: new Map(rows.artifacts.map(({ id, ...row }) => [id, row])),
    audit: rows.audit,
    consents: new Map(rows.consents.map(({ userId, clientId, scopes }) => [`${userId}/${clientId}`, scopes])),
    links: new Map(rows.links.map(({ digest, consumedAt }) => [digest, consumedAt])),
    sessions: rows.sessions,
    users: new Map(rows.users.map(({ id, state }) => [id, state])),
  };
}

export async function readPostgresql(url) {
  const { default: pg } = await import('pg');
  const client = new pg.Client(url);
  await client.connect();
  try {
    return await readDatabase(async (text) => (await client.query(text)).rows);
  } finally {
    await client.end();
  }
}

/** Only while no process has the directory. */
export async function readEmbedded(directory) {
  const { PGlite } = await import('@electric-sql/pglite');
  const lite = new PGlite(join(directory, 'pg'));
  try {
    return await readDatabase(async (text) => (await lite.query(text)).rows);
  } finally {
    await lite.close();
  }
}
