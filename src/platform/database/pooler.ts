import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import { OperatorError } from '../operator-error.ts';
import { checkServer, openPostgresqlPool } from './postgresql.ts';

/** Milliseconds in which an announcement has to arrive. A busy server needs a few. */
const HEARD_WITHIN = 5_000;

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

/**
 * Whether the address past the pooler hears what is announced through the pooler. Nobody answering there is said and no more, since
 * it only makes things quicker.
 * @throws OperatorError when it leads elsewhere: to another database, or to a pooler again
 */
export async function checkDirectUrl(pool: pg.Pool, directUrl: string): Promise<string | undefined> {
  const direct = openPostgresqlPool({ url: directUrl, poolSize: 1, transactionPooled: true });
  try {
    await checkServer(direct, directUrl, 'DATABASE_DIRECT_URL');
    const listener = await direct.connect();
    try {
      if (await hears(listener, pool)) return undefined;
    } finally {
      listener.release(true);
    }
  } catch (error) {
    return `${(error as Error).message} Until then this node looks every few seconds for changed keys.`;
  } finally {
    await direct.end();
  }
  throw new OperatorError(
    'DATABASE_DIRECT_URL works, but hears nothing of the database of DATABASE_URL: it leads to another database, or to a pooler. ' +
      'It has to lead to the same database, past the pooler.',
  );
}

async function hears(listener: pg.PoolClient, announcing: pg.Pool): Promise<boolean> {
  const channel = `daemun_check_${randomBytes(8).toString('hex')}`;
  let impatience: NodeJS.Timeout | undefined;
  const heard = new Promise<boolean>((resolve) => {
    listener.on('notification', (told) => told.channel === channel && resolve(true));
    impatience = setTimeout(resolve, HEARD_WITHIN, false);
  });
  try {
    await listener.query(`LISTEN ${channel}`);
    await announcing.query("SELECT pg_notify($1, '')", [channel]);
    return await heard;
  } finally {
    clearTimeout(impatience);
  }
}
