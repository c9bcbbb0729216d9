import type { Pool } from 'pg';
import type { SealedPayload } from './sealed-payload.ts';

/** One that is ours to try for as long as the lease lasts. */
export interface Claim extends SealedPayload {
  id: string;
  kind: string;
  target: string;
  createdAt: Date;
  isExpired: boolean;
  /** Which taking this is. */
  claim: number;
  /** Including this one. */
  tries: number;
  triesAllowed: number;
}

/**
 * Whoever's row it is stays so until `due_at`, which moves on with the taking: when they are gone by then, it is there for the next.
 * What another node is just taking is passed over. An array, because it is read once: a subquery may be run again for each row, and take more.
 */
const TAKE = `UPDATE outbox_effects
  SET due_at = now() + $3::int * interval '1 second', taken_at = now(), claims = claims + 1, tries = tries + 1
  WHERE id = ANY (ARRAY (SELECT id FROM outbox_effects WHERE due_at <= now() AND kind = ANY ($1)
    ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED))
  RETURNING id, kind, target, sealed AS ciphertext, wrapped_data_key AS "wrappedDataKey", kek_id AS "kekId",
    created_at AS "createdAt", COALESCE(expires_at <= now(), false) AS "isExpired", claims AS claim, tries, tries_allowed AS "triesAllowed"`;

/** Whoever says so: what has arrived has arrived. */
const DELIVERED = `UPDATE outbox_effects SET delivered_at = now(), due_at = NULL, taken_at = NULL, died_at = NULL,
    last_error = NULL, sealed = NULL, wrapped_data_key = NULL, kek_id = NULL
  WHERE id = $1 AND delivered_at IS NULL`;

/** The rest counts only if nobody else has taken it since. */
const OURS = 'WHERE id = $1 AND claims = $2 AND due_at IS NOT NULL';

const AGAIN = `UPDATE outbox_effects SET taken_at = NULL, last_error = $3, due_at = now() + $4::float8 * interval '1 second' ${OURS}`;

const LATER = `UPDATE outbox_effects SET taken_at = NULL, last_error = $3, due_at = now() + $4::float8 * interval '1 second',
    tries = tries - 1 ${OURS}`;

const DEAD = `UPDATE outbox_effects SET taken_at = NULL, last_error = $3, due_at = NULL, died_at = now() ${OURS}`;

const EXPIRED = `UPDATE outbox_effects SET taken_at = NULL, last_error = $3, due_at = NULL, died_at = now(),
    sealed = NULL, wrapped_data_key = NULL, kek_id = NULL ${OURS}`;

const FIGURES = `SELECT kind, count(*) FILTER (WHERE died_at IS NULL)::int AS waiting, count(died_at)::int AS dead,
    COALESCE(extract(epoch FROM now() - min(created_at) FILTER (WHERE died_at IS NULL)), 0)::float8 AS oldest
  FROM outbox_effects WHERE due_at IS NOT NULL OR died_at IS NOT NULL GROUP BY kind`;

export interface OutboxFigures {
  kind: string;
  waiting: number;
  dead: number;
  /** Seconds that the oldest has been waiting. */
  oldest: number;
}

/** Every statement stands alone and unnamed: nothing of it needs a session, so a pooler may sit in between. */
export function createClaims(pool: Pick<Pool, 'query'>) {
  return {
    async take(kinds: readonly string[], most: number, leaseSeconds: number): Promise<Claim[]> {
      return (await pool.query<Claim>(TAKE, [kinds, most, leaseSeconds])).rows;
    },
    async delivered({ id }: Claim): Promise<void> {
      await pool.query(DELIVERED, [id]);
    },
    async again({ id, claim }: Claim, reason: string, seconds: number): Promise<void> {
      await pool.query(AGAIN, [id, claim, reason, seconds]);
    },
    /** As if it had not been taken. */
    async later({ id, claim }: Claim, reason: string, seconds: number): Promise<void> {
      await pool.query(LATER, [id, claim, reason, seconds]);
    },
    async dead({ id, claim }: Claim, reason: string): Promise<void> {
      await pool.query(DEAD, [id, claim, reason]);
    },
    async expired({ id, claim }: Claim, reason: string): Promise<void> {
      await pool.query(EXPIRED, [id, claim, reason]);
    },
    async figures(): Promise<OutboxFigures[]> {
      return (await pool.query<OutboxFigures>(FIGURES)).rows;
    },
  };
}

export type Claims = ReturnType<typeof createClaims>;
