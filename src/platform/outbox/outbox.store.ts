import type { Pool } from 'pg';
import type { Prisma } from '../../generated/prisma/client.ts';
import type { LoggedEffect } from './effect.ts';
import type { SealedPayload } from './sealed-payload.ts';

export type Transaction = Prisma.TransactionClient;

export interface EffectRow extends SealedPayload {
  id: string;
  kind: string;
  target: string;
  summary: string;
  triesAllowed: number;
  /** Seconds. */
  usefulFor?: number;
}

/** Times are the database's. */
export async function insertEffect(tx: Transaction, row: EffectRow): Promise<void> {
  const { id, kind, target, summary, ciphertext, wrappedDataKey, kekId, triesAllowed, usefulFor = null } = row;
  await tx.$executeRaw`
    INSERT INTO outbox_effects (id, kind, target, summary, sealed, wrapped_data_key, kek_id, tries_allowed, expires_at)
    VALUES (${id}, ${kind}, ${target}, ${summary}, ${ciphertext}, ${wrappedDataKey}, ${kekId}, ${triesAllowed}::int,
      now() + ${usefulFor}::int * interval '1 second')`;
}

/** Who took one has it until `due_at`. */
const COLUMNS = `id, kind, target, summary, tries, created_at, due_at, expires_at, delivered_at, died_at, last_error,
  sealed IS NOT NULL AND COALESCE(expires_at > now(), true) AS can_be_retried, due_at > now() AND taken_at IS NOT NULL AS is_taken`;

const LIST = `SELECT ${COLUMNS} FROM outbox_effects
  WHERE ($1::text IS NULL OR id < $1) AND (NOT $2::bool OR died_at IS NOT NULL) ORDER BY id DESC LIMIT $3`;

const FIND = `SELECT ${COLUMNS} FROM outbox_effects WHERE id = $1`;

interface LogRow {
  id: string;
  kind: string;
  target: string;
  summary: string;
  tries: number;
  created_at: Date;
  due_at: Date | null;
  expires_at: Date | null;
  delivered_at: Date | null;
  died_at: Date | null;
  last_error: string | null;
  can_be_retried: boolean;
  is_taken: boolean | null;
}

export interface LogQuery {
  onlyDead: boolean;
  limit: number;
  /** Begins with the one before this. */
  before?: string;
}

/** Newest first. */
export async function listEffects(pool: Pool, { onlyDead, limit, before }: LogQuery): Promise<LoggedEffect[]> {
  const { rows } = await pool.query<LogRow>(LIST, [before ?? null, onlyDead, limit]);
  return rows.map(toLogged);
}

export async function findEffect(pool: Pool, id: string): Promise<LoggedEffect | undefined> {
  const { rows } = await pool.query<LogRow>(FIND, [id]);
  return rows[0] && toLogged(rows[0]);
}

/** Not while somebody has it, and not what is erased or about to be. Its kind. */
export async function retryEffect(tx: Transaction, id: string, tries: number): Promise<string | undefined> {
  const [row] = await tx.$queryRaw<{ kind: string }[]>`
    UPDATE outbox_effects
    SET due_at = now(), died_at = NULL, tries_allowed = GREATEST(tries_allowed, tries + ${tries}::int)
    WHERE id = ${id} AND delivered_at IS NULL AND sealed IS NOT NULL AND COALESCE(expires_at > now(), true)
      AND (died_at IS NOT NULL OR taken_at IS NULL OR due_at <= now())
    RETURNING kind`;
  return row?.kind;
}

function toLogged(row: LogRow): LoggedEffect {
  return {
    id: row.id,
    kind: row.kind,
    target: row.target,
    summary: row.summary,
    state: stateOf(row),
    tries: row.tries,
    createdAt: row.created_at,
    ...(row.due_at && { dueAt: row.due_at }),
    ...(row.expires_at && { expiresAt: row.expires_at }),
    ...(row.delivered_at && { deliveredAt: row.delivered_at }),
    ...(row.died_at && { diedAt: row.died_at }),
    ...(row.last_error && { lastError: row.last_error }),
    canBeRetried: row.can_be_retried,
  };
}

function stateOf({ delivered_at, died_at, is_taken }: LogRow): LoggedEffect['state'] {
  if (delivered_at) return 'delivered';
  if (died_at) return 'dead';
  return is_taken ? 'delivering' : 'waiting';
}
