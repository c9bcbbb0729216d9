import type { Pool } from 'pg';
import { insertPlaced } from '../audit/audit.store.ts';
import type { AuditRow, Transaction } from '../audit/audit.ts';
import { preparedStatement } from '../platform/database/prepared-statement.ts';

/** A sign-in in one browser, as its owner sees it. */
export interface UserSession {
  /** The `sid` of ID tokens. Not a secret. */
  uid: string;
  device?: string;
  userAgent?: string;
  address?: string;
  amr: string[];
  /** The upstream that the sign-in came from; absent when it was proven here. */
  provider?: string;
  createdAt: Date;
  lastUsedAt: Date;
}

/** A later sign-in in the same engine session replaces what is said about it. With its record, which it stands or falls with. */
function insertStarted(values: string): string {
  return `INSERT INTO user_sessions (uid, user_id, user_agent, device, address, amr, provider) ${values}
    ON CONFLICT (uid) DO UPDATE SET user_id = EXCLUDED.user_id, user_agent = EXCLUDED.user_agent, device = EXCLUDED.device,
      address = EXCLUDED.address, amr = EXCLUDED.amr, provider = EXCLUDED.provider, last_used_at = now(), ended_at = NULL`;
}

const START = `WITH started AS (${insertStarted('VALUES ($1, $2::uuid, $3, $4, $5, $6::text[], $7)')})
  ${insertPlaced('$8::json', 'true')}`;

/** A row of user_sessions, with the names of its columns. */
export interface StartedRow {
  uid: string;
  user_id: string;
  user_agent?: string | undefined;
  device?: string | undefined;
  address?: string | undefined;
  amr: string[];
  provider?: string | undefined;
}

/**
 * Sessions as a part of a statement that does the work of several callers: `rows` is its JSON parameter, where each row also has the
 * `place` of its caller and whether that one `spends` something; stored are those that fulfil the condition.
 */
export function startPlaced(rows: string, condition: string): string {
  return insertStarted(`SELECT uid, user_id, user_agent, device, address, amr, provider
    FROM json_to_recordset(${rows}) AS row (place int, spends bool, uid text, user_id uuid, user_agent text, device text, address text,
      amr text[], provider text) WHERE ${condition}`);
}

/**
 * Ends sessions as a part of a statement that ends all else of them: `asked` are rows of a uid and the `place` of its caller.
 * Answers the places of those that had not ended before, and whose they were.
 */
export function endPlaced(asked: string): string {
  return `UPDATE user_sessions SET ended_at = now()
    FROM (
      SELECT listed.uid, place FROM ${asked} AS asked (asked_uid, place) JOIN user_sessions listed ON listed.uid = asked_uid
      WHERE length(asked_uid) > 0 AND listed.ended_at IS NULL
      ORDER BY listed.uid FOR NO KEY UPDATE OF listed) AS live
    WHERE user_sessions.uid = live.uid
    RETURNING place, user_id::text AS user_id`;
}

/** A row that somebody else is writing has just been used or ended: skipped, so that two nodes never wait for each other. */
const TOUCH = `WITH used AS (
    SELECT uid, now() - age * interval '1 millisecond' AS at
    FROM unnest($1::text[], $2::float8[]) AS asked (asked_uid, age) JOIN user_sessions ON uid = asked_uid
    WHERE ended_at IS NULL FOR NO KEY UPDATE OF user_sessions SKIP LOCKED)
  UPDATE user_sessions SET last_used_at = GREATEST(last_used_at, used.at) FROM used WHERE user_sessions.uid = used.uid`;

const LIST = `SELECT uid, device, user_agent AS "userAgent", address, amr, provider,
    created_at AS "createdAt", last_used_at AS "lastUsedAt"
  FROM user_sessions
  WHERE user_id = $1::uuid AND ended_at IS NULL AND last_used_at > now() - $2::int * interval '1 second'
  ORDER BY last_used_at DESC, uid`;

const PROVIDER_OF = `SELECT provider FROM user_sessions WHERE uid = $1`;

export function createSessionStore(pool: Pool) {
  const start = preparedStatement(pool, 'sessions.start', START);
  const touch = preparedStatement(pool, 'sessions.touch', TOUCH);
  const list = preparedStatement<UserSession>(pool, 'sessions.list', LIST);
  const providerOf = preparedStatement<{ provider: string | null }>(pool, 'sessions.provider_of', PROVIDER_OF);
  return {
    async start(
      { uid, user_id, user_agent, device, address, amr, provider }: StartedRow,
      record: AuditRow,
    ): Promise<void> {
      await start([uid, user_id, user_agent, device, address, amr, provider, JSON.stringify([record])]);
    },
    /** `used` maps a session to how many milliseconds ago it was used. */
    async touch(used: Map<string, number>): Promise<void> {
      await touch([[...used.keys()], [...used.values()]]);
    },
    async list(userId: string, lifetime: number): Promise<UserSession[]> {
      return (await list([userId, lifetime])).map(withoutNulls);
    },
    async providerOf(uid: string): Promise<string | undefined> {
      return (await providerOf([uid]))[0]?.provider ?? undefined;
    },
  };
}

function withoutNulls(session: UserSession): UserSession {
  return Object.fromEntries(Object.entries(session).filter(([, value]) => value !== null)) as unknown as UserSession;
}

/**
 * Ends the ones named, or all of this person but one; returns those that had not ended before. Locked in the order of `endPlaced`: two
 * who end the same ones do not wait for each other in a circle.
 */
export async function endSessionsOf(
  tx: Transaction,
  userId: string,
  which: { uid: string } | { except?: string } = {},
): Promise<string[]> {
  const { uid = null, except = null } = which as { uid?: string; except?: string };
  const ended = await tx.$queryRaw<{ uid: string }[]>`
    UPDATE user_sessions SET ended_at = now()
    FROM (
      SELECT uid FROM user_sessions
      WHERE user_id = ${userId}::uuid AND ended_at IS NULL
        AND (${uid}::text IS NULL OR uid = ${uid}) AND (${except}::text IS NULL OR uid <> ${except})
      ORDER BY uid FOR NO KEY UPDATE) AS live
    WHERE user_sessions.uid = live.uid
    RETURNING live.uid`;
  return ended.map(({ uid }) => uid);
}
