import { isAccountId } from '../accounts/account.ts';
import type { Prisma } from '../generated/prisma/client.ts';
import { waitForLocks } from '../platform/database/wait-for-locks.ts';
import { digestOf } from './artifact-identity.ts';
import { portionsOf } from './portions.ts';

/**
 * Ending access inside the transaction that records why: both happen or neither, except of a client, which is refused and recorded
 * before. Rows are locked in one order everywhere, sessions, grants, then what is under them, each by id; wrap the whole transaction in
 * `retryConflicts` all the same.
 */
export type Transaction = Prisma.TransactionClient;

/**
 * Ends the account's sessions, grants, and sign-ins that were not continued yet. Returns the uids of the sessions that were alive.
 * What a request under way stores afterwards is void by its number: of a password that was checked before, of a session that gets
 * a new id at this moment, of a code in the browser's hands. A number that only the database counts up needs no clock. S-158
 */
export async function endAccountAccess(tx: Transaction, accountId: string): Promise<{ sessions: string[] }> {
  if (isAccountId(accountId)) {
    await tx.$executeRaw`UPDATE users SET access_generation = access_generation + 1 WHERE id = ${accountId}::uuid`;
  }
  const ended = await tx.$queryRaw<{ kind: string; uid: string | null }[]>`
    UPDATE protocol_artifacts
    SET revoked_at = now(), payload = '{}', expires_at = least(expires_at, now() + interval '1 hour')
    WHERE id IN (
      SELECT id FROM protocol_artifacts
      WHERE account_id = ${accountId} AND kind IN ('Session', 'Interaction') AND revoked_at IS NULL
      ORDER BY id FOR UPDATE)
    RETURNING kind, uid`;
  const grants = await tx.$queryRaw<GrantId[]>`
    SELECT encode(id, 'hex') AS id FROM protocol_artifacts WHERE account_id = ${accountId} AND kind = 'Grant'`;
  await endGrants(tx, grants);
  return { sessions: ended.flatMap(({ kind, uid }) => (kind === 'Session' && uid !== null ? [uid] : [])) };
}

/** Under which number of its account a sign-in that is complete at this moment counts. */
export async function accessGenerationOf(tx: Pick<Transaction, '$queryRaw'>, accountId: string): Promise<number> {
  if (!isAccountId(accountId)) return 0;
  const [row] = await tx.$queryRaw<{ generation: number }[]>`
    SELECT access_generation AS generation FROM users WHERE id = ${accountId}::uuid`;
  return row?.generation ?? 0;
}

/**
 * Ends all that people granted to the client and the tokens it has for itself. That may be a lot: the transaction has to be given
 * minutes, and no statement takes longer than an administrator's may.
 */
export async function endClientAccess(tx: Transaction, clientId: string): Promise<void> {
  await waitForLocks(tx);
  const grants = await tx.$queryRaw<GrantId[]>`
    SELECT encode(id, 'hex') AS id FROM protocol_artifacts WHERE client_id = ${clientId} AND kind = 'Grant' ORDER BY id`;
  await endGrants(tx, grants);
  while ((await endSomeOwnTokens(tx, clientId)) === MOST_ROWS);
}

/** As `endClientAccess` for a portion that takes seconds. Returns how many grants and tokens of its own it was: none is the end. */
export async function endSomeClientAccess(
  tx: Transaction,
  clientId: string,
): Promise<{ grants: number; tokens: number }> {
  await waitForLocks(tx);
  const grants = await tx.$queryRaw<GrantId[]>`
    SELECT encode(id, 'hex') AS id FROM protocol_artifacts
    WHERE client_id = ${clientId} AND kind = 'Grant' AND revoked_at IS NULL ORDER BY id LIMIT ${MOST_GRANTS}`;
  await endGrants(tx, grants);
  return { grants: grants.length, tokens: await endSomeOwnTokens(tx, clientId) };
}

function endSomeOwnTokens(tx: Transaction, clientId: string): Promise<number> {
  return tx.$executeRaw`
    DELETE FROM protocol_artifacts WHERE id IN (
      SELECT id FROM protocol_artifacts WHERE client_id = ${clientId} AND kind <> 'Grant'
      ORDER BY id LIMIT ${MOST_ROWS} FOR UPDATE)`;
}

/** Whether the client is disabled, and stays it until this transaction ends. False also while somebody is about to change that. */
export async function lockDisabledClient(tx: Transaction, clientId: string): Promise<boolean> {
  const rows = await tx.$queryRaw<unknown[]>`
    SELECT 1 FROM clients WHERE id = ${clientId} AND state = 'disabled' FOR NO KEY UPDATE SKIP LOCKED`;
  return rows.length > 0;
}

/**
 * Withdraws what one person allowed one client: they are asked again, and what it has of theirs is worth nothing. The consent goes
 * first: a grant that is being made of it waits for its row, and finds it gone. False when there was nothing. S-059, S-087
 */
export async function endConsent(
  tx: Transaction,
  { userId, clientId }: { userId: string; clientId: string },
): Promise<boolean> {
  const { count } = await tx.consent.deleteMany({ where: { userId, clientId } });
  const grants = await tx.$queryRaw<GrantId[]>`
    SELECT encode(id, 'hex') AS id FROM protocol_artifacts
    WHERE account_id = ${userId} AND client_id = ${clientId} AND kind = 'Grant' AND revoked_at IS NULL`;
  await endGrants(tx, grants);
  return count + grants.length > 0;
}

/**
 * Signs one session out, whose entry in its person's list has ended in this transaction: what was granted in it ends too, except where
 * it was asked to outlast the session.
 */
export async function endSession(tx: Transaction, sessionUid: string): Promise<void> {
  const sessions = await tx.$queryRaw<{ payload: string }[]>`
    SELECT payload::text AS payload FROM protocol_artifacts
    WHERE uid = ${sessionUid} AND kind = 'Session' AND revoked_at IS NULL ORDER BY id FOR UPDATE`;
  await tx.$executeRaw`
    UPDATE protocol_artifacts
    SET revoked_at = now(), payload = '{}', expires_at = least(expires_at, now() + interval '1 hour')
    WHERE uid = ${sessionUid} AND kind = 'Session' AND revoked_at IS NULL`;
  await endGrants(
    tx,
    sessions.flatMap(({ payload }) => grantsOf(JSON.parse(payload))),
  );
}

/**
 * The uids of all sessions that were used since then, by a visit or by a token that lives and dies with it; of some that are over, too.
 * Read in portions: give the transaction one snapshot and minutes. `since` may be off by a minute: sessions are dated by the clocks
 * of nodes.
 */
export async function sessionsUsedSince(tx: Transaction, since: Date): Promise<string[]> {
  await waitForLocks(tx);
  const seconds = Math.floor(since.getTime() / 1000) - 60;
  const used = new Set<string>();
  await readPortions(
    (last) => tx.$queryRaw`
      WITH seen AS MATERIALIZED (
        SELECT id, coalesce(session_uid, uid) AS uid, CASE
          WHEN session_uid IS NOT NULL OR (kind = 'Session' AND account_id IS NOT NULL AND revoked_at IS NULL)
          THEN (payload->>'iat')::bigint END AS iat
        FROM protocol_artifacts WHERE id > decode(${last}, 'hex') ORDER BY id LIMIT ${MOST_ROWS})
      SELECT (SELECT encode(id, 'hex') FROM seen ORDER BY id DESC LIMIT 1) AS last,
        ARRAY(SELECT DISTINCT uid FROM seen WHERE iat >= ${seconds}) AS uids`,
    used,
  );
  await readPortions(
    (last) => tx.$queryRaw`
      WITH seen AS MATERIALIZED (
        SELECT uid, ended_at IS NULL AND last_used_at >= to_timestamp(${seconds}) AS is_used
        FROM user_sessions WHERE uid > ${last} ORDER BY uid LIMIT ${MOST_ROWS})
      SELECT (SELECT uid FROM seen ORDER BY uid DESC LIMIT 1) AS last, ARRAY(SELECT uid FROM seen WHERE is_used) AS uids`,
    used,
  );
  return [...used];
}

/** `last` is where the portion ends and the next one begins; null: there was nothing left. */
type Portion = { last: string | null; uids: string[] };

async function readPortions(read: (last: string) => Promise<Portion[]>, found: Set<string>): Promise<void> {
  for (let last: string | null = ''; last !== null; ) {
    const [portion]: Portion[] = await read(last);
    for (const uid of portion?.uids ?? []) found.add(uid);
    last = portion?.last ?? null;
  }
}

/**
 * As `endSession` for each of these, a few hundred. Returns how many were alive. The entries in people's lists first: what stores a
 * session under a new id in this moment looks at its entry, so it is over before the sessions are looked for, or does not happen.
 */
export async function endSessions(tx: Transaction, uids: readonly string[]): Promise<number> {
  await waitForLocks(tx);
  await tx.$executeRaw`
    UPDATE user_sessions SET ended_at = now() WHERE uid IN (
      SELECT uid FROM user_sessions WHERE uid = ANY (${uids}::text[]) AND ended_at IS NULL ORDER BY uid FOR NO KEY UPDATE)`;
  const sessions = await tx.$queryRaw<(GrantId & { payload: string })[]>`
    SELECT encode(id, 'hex') AS id, payload::text AS payload FROM protocol_artifacts
    WHERE uid = ANY (${uids}::text[]) AND kind = 'Session' AND account_id IS NOT NULL AND revoked_at IS NULL
    ORDER BY id FOR UPDATE`;
  const ids = sessions.map(({ id }) => id);
  await tx.$executeRaw`
    UPDATE protocol_artifacts
    SET revoked_at = now(), payload = '{}', expires_at = least(expires_at, now() + interval '1 hour')
    WHERE id IN (SELECT decode(ended.id, 'hex') FROM unnest(${ids}::text[]) AS ended(id))`;
  await endGrants(
    tx,
    sessions.flatMap(({ payload }) => grantsOf(JSON.parse(payload))),
  );
  return sessions.length;
}

interface GrantId {
  /** In hexadecimal. */
  id: string;
}

interface SessionPayload {
  authorizations?: Record<string, { grantId?: string; persistsLogout?: boolean }>;
}

function grantsOf({ authorizations = {} }: SessionPayload): GrantId[] {
  return Object.values(authorizations).flatMap(({ grantId, persistsLogout }) =>
    grantId && !persistsLogout ? { id: digestOf('Grant', grantId).toString('hex') } : [],
  );
}

/** So much at once that it takes seconds, and not as long as a statement may. */
const MOST_GRANTS = 2_000;
const MOST_ROWS = 20_000;

async function endGrants(tx: Transaction, grants: GrantId[]): Promise<void> {
  const portions = portionsOf(
    grants.map(({ id }) => id),
    MOST_GRANTS,
  );
  for (const ids of portions) {
    await tx.$executeRaw`
      UPDATE protocol_artifacts SET revoked_at = now() WHERE id IN (
        SELECT g.id FROM unnest(${ids}::text[]) AS ended(id) JOIN protocol_artifacts g ON g.id = decode(ended.id, 'hex')
        WHERE g.kind = 'Grant' AND g.revoked_at IS NULL ORDER BY g.id FOR UPDATE OF g)`;
  }
  for (const ids of portions) {
    await tx.$executeRaw`
      DELETE FROM protocol_artifacts WHERE id IN (
        SELECT a.id FROM unnest(${ids}::text[]) AS ended(id) JOIN protocol_artifacts a ON a.grant_id = decode(ended.id, 'hex')
        ORDER BY a.id FOR UPDATE OF a)`;
  }
}
