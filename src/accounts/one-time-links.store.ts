import type { Pool } from 'pg';
import { insertPlaced } from '../audit/audit.store.ts';
import type { AuditRow, Transaction } from '../audit/audit.ts';
import { waitForLocksOn } from '../platform/database/wait-for-locks.ts';
import type { Account } from './account.ts';
import { ADMINISTRATOR_LOCK, administratorExists, readAccount } from './accounts.store.ts';
import { digestOfOneTimeToken, generateOneTimeToken, type OneTimeToken } from './one-time-token.ts';

export type Purpose = 'setup' | 'set_password';

export interface OneTimeLink {
  token: OneTimeToken;
  expiresAt: Date;
}

export interface NewLink {
  purpose: Purpose;
  userId?: string | null;
  /** Seconds. */
  lifetime: number;
}

const VACANT = `NOT EXISTS (SELECT FROM users WHERE is_administrator AND state <> 'deleted')`;

/** Nobody is administrator. */
export async function isVacant(pool: Pool): Promise<boolean> {
  const { rows } = await pool.query<{ isVacant: boolean }>(`SELECT ${VACANT} AS "isVacant"`);
  return rows[0]!.isVacant;
}

/** `made` is not there yet for what voids the older ones: all of a statement see what was there before it. */
const CREATE_SETUP_LINK = `WITH made AS (
    INSERT INTO one_time_links (digest, purpose, expires_at)
    SELECT $1::bytea, 'setup', now() + $2::int * interval '1 second' WHERE ${VACANT}
    RETURNING expires_at),
  older AS (
    SELECT digest FROM one_time_links WHERE purpose = 'setup' AND consumed_at IS NULL
    ORDER BY created_at DESC OFFSET $3::int),
  voided AS (
    DELETE FROM one_time_links WHERE digest IN (SELECT digest FROM older) AND EXISTS (SELECT FROM made)),
  recorded AS (${insertPlaced('$4::json', 'EXISTS (SELECT FROM made)')})
  SELECT expires_at AS "expiresAt" FROM made`;

export interface NewSetupLink {
  /** Seconds. */
  lifetime: number;
  /** How many older ones stay good. */
  keep: number;
  /** What the audit log says about it. */
  record: AuditRow;
}

/**
 * Makes a setup link and its record while nobody is administrator, and voids older ones. Every start asks for one, or whether there
 * would be one: in plain SQL, because the first question to Prisma costs a process a fifth of all that its start costs.
 */
export async function createSetupLink(
  pool: Pool,
  { lifetime, keep, record }: NewSetupLink,
): Promise<OneTimeLink | undefined> {
  const token = generateOneTimeToken();
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    await waitForLocksOn(client);
    await client.query('SELECT pg_advisory_xact_lock($1)', [ADMINISTRATOR_LOCK]);
    // A statement of its own, so that it sees what whoever held the lock has written.
    const values = [digestOfOneTimeToken(token), lifetime, keep, JSON.stringify([record])];
    const { rows } = await client.query<{ expiresAt: Date }>(CREATE_SETUP_LINK, values);
    await client.query('COMMIT');
    return rows[0] && { token, expiresAt: rows[0].expiresAt };
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {});
    throw error;
  } finally {
    client.release();
  }
}

/** Makes a link, and voids older ones for the same thing. The database's clock says when it ends. */
export async function replaceLinks(
  tx: Transaction,
  { purpose, userId = null, lifetime }: NewLink,
): Promise<OneTimeLink> {
  await voidLinks(tx, { purpose, userId });
  const token = generateOneTimeToken();
  const [row] = await tx.$queryRaw<{ expiresAt: Date }[]>`
    INSERT INTO one_time_links (digest, purpose, user_id, expires_at)
    VALUES (${digestOfOneTimeToken(token)}, ${purpose}::one_time_link_purpose, ${userId}::uuid,
      now() + ${lifetime}::int * interval '1 second')
    RETURNING expires_at AS "expiresAt"`;
  return { token, expiresAt: row!.expiresAt };
}

export async function voidLinks(tx: Transaction, { purpose, userId = null }: Omit<NewLink, 'lifetime'>): Promise<void> {
  await tx.oneTimeLink.deleteMany({ where: { purpose, userId, consumedAt: null } });
}

/** What a link is good for now; looking does not spend it. */
export async function readLink(
  tx: Transaction,
  token: OneTimeToken,
): Promise<{ purpose: Purpose; account?: Account } | undefined> {
  const [row] = await tx.$queryRaw<{ purpose: Purpose; userId: string | null }[]>`
    SELECT purpose::text AS purpose, user_id AS "userId" FROM one_time_links
    WHERE digest = ${digestOfOneTimeToken(token)} AND consumed_at IS NULL AND expires_at > now()`;
  if (!row) return undefined;
  if (row.purpose === 'setup') return (await administratorExists(tx)) ? undefined : { purpose: 'setup' };
  const account = await readAccount(tx, row.userId!);
  return account?.state === 'active' ? { purpose: row.purpose, account } : undefined;
}

/** Spends the link: whoever else tries at the same moment waits, and finds it spent once this transaction is committed. */
export async function consumeLink(
  tx: Transaction,
  token: OneTimeToken,
  purpose: Purpose,
): Promise<{ userId: string | null } | undefined> {
  const [row] = await tx.$queryRaw<{ userId: string | null }[]>`
    UPDATE one_time_links SET consumed_at = now()
    WHERE digest = ${digestOfOneTimeToken(token)} AND purpose = ${purpose}::one_time_link_purpose
      AND consumed_at IS NULL AND expires_at > now()
    RETURNING user_id AS "userId"`;
  return row;
}
