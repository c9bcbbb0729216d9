import type pg from 'pg';

/** What a transaction cannot rely on and a role has to bring along instead: a pooler takes no settings from us. */
const ROLE_SETTINGS = {
  statement_timeout: '2s',
  lock_timeout: '500ms',
  idle_in_transaction_session_timeout: '10s',
} as const;

/**
 * What is missing in the role that a pooler in transaction mode connects with, said with the statement that mends it. Values that
 * somebody chose are left alone; 0 means none.
 */
export async function missingRoleSettings(pool: pg.Pool): Promise<string | undefined> {
  const names = Object.keys(ROLE_SETTINGS) as (keyof typeof ROLE_SETTINGS)[];
  const { rows } = await pool.query<{ role: string; name: string }>(
    `SELECT quote_ident(session_user) AS role, name FROM pg_settings
     WHERE name = ANY ($1) AND setting = '0' ORDER BY array_position($1, name)`,
    [names],
  );
  if (!rows.length) return undefined;
  const missing = rows.map(({ name }) => name as keyof typeof ROLE_SETTINGS);
  const statements = missing.map((name) => `ALTER ROLE ${rows[0]!.role} SET ${name} = '${ROLE_SETTINGS[name]}'`);
  return (
    `Behind the pooler nothing bounds ${missing.join(', ')}. As that role or above: ${statements.join('; ')}; ` +
    `then have the pooler connect anew (RECONNECT).`
  );
}
