import { createHmac } from 'node:crypto';
import type { Pool } from 'pg';
import { preparedStatement } from '../platform/database/prepared-statement.ts';
import { sha256 } from '../platform/sha256.ts';
import type { Login } from './login.ts';

/** Seconds and counts. */
export interface ThrottlePolicy {
  /** Tries in `window` before the first delay. */
  freeTries: number;
  window: number;
  /** Doubles with every further failure, up to `longestDelay`. */
  firstDelay: number;
  longestDelay: number;
  /** After so long without a failure the delay begins anew. The count of consecutive failures does not. */
  quiet: number;
  /** Consecutive failures of one account, ever: then its password is disabled until it is set again. NIST SP 800-63B-4 3.2.2 */
  mostFailures: number;
  /** How many of those strangers cannot use up: they are left for browsers that signed in before. */
  reservedForDevices: number;
}

export const THROTTLE_POLICY: ThrottlePolicy = {
  freeTries: 5,
  window: 60,
  firstDelay: 60,
  longestDelay: 15 * 60,
  quiet: 3_600,
  mostFailures: 100,
  reservedForDevices: 20,
};

/** With what an operator may choose. */
export function throttlePolicyOf({
  triesPerMinute: freeTries,
  ...chosen
}: { triesPerMinute: number } & Pick<ThrottlePolicy, 'firstDelay' | 'longestDelay' | 'mostFailures'>): ThrottlePolicy {
  return { ...THROTTLE_POLICY, freeTries, ...chosen };
}

/** Whose tries are counted. */
export interface Counted {
  key: Buffer;
  /** Undefined when the login belongs to nobody. */
  userId?: string;
  /** Digest of a known device's secret: it has its own delay. */
  device?: Buffer;
}

export interface Blocked {
  limit: 'account' | 'device';
  /** Seconds. */
  retryAfter: number;
  /** Which block it is, the same on every node. Undefined when it has just ended. */
  block?: { identity: string; since: number };
}

export interface SignInThrottle {
  /** How long somebody has to wait whose try was refused. */
  blocked(counted: Counted): Promise<Blocked>;
  /** Forgets logins that belong to nobody and were quiet for a day; returns how many. */
  forgetStrangers(limit?: number): Promise<number>;
}

const ACCOUNT = 'account:';

/** Every spelling and every login of one account has the same key. S-129 */
export function accountKey(userId: string): Buffer {
  return sha256(ACCOUNT + userId);
}

/** For a login that nobody has. Keyed: people type passwords into the wrong field. */
export function strangerKey(login: Login, secret: Buffer): Buffer {
  return createHmac('sha256', secret)
    .update(`login:${JSON.stringify([login.userNameKey ?? null, login.addressKey ?? null])}`)
    .digest();
}

const seconds = (number: string | number) => `(${number}) * interval '1 second'`;
const isFree = (table: string) => `(${table}.blocked_until IS NULL OR ${table}.blocked_until <= now())`;
/** Seconds. */
const delayAfter = (failures: string, { freeTries, firstDelay, longestDelay }: ThrottlePolicy) =>
  `LEAST(${longestDelay}, ${firstDelay} * power(2, LEAST(GREATEST(${failures} - ${freeTries}, 0), 20)))`;
const mostByStrangers = ({ mostFailures, reservedForDevices }: ThrottlePolicy) => mostFailures - reservedForDevices;

/**
 * SQL, parts of a WITH: takes one try before the password is looked at, as a failure until it proves to be none. Whether `tried` has
 * a row is the answer. In the statement that looks for the account, so that two hundred at once are two hundred; logins that belong to
 * nobody are counted by the same one, so that neither its cost nor its delay tells them apart. S-122, S-128
 * @param candidate at most one row: the `id` of an account, or null, and the digest of a `device` that it knows, or null
 * @param stranger the key of a login that nobody has
 */
export function takeTry(candidate: string, stranger: string, policy: ThrottlePolicy): string {
  const { freeTries, window, quiet, mostFailures } = policy;
  const blockedAfter = (failures: string) =>
    `CASE WHEN ${failures} >= ${freeTries} THEN now() + ${seconds(delayAfter(failures, policy))} END`;
  const recent = `CASE WHEN t.last_failed_at < now() -
    ${seconds(`CASE WHEN t.recent_failures < ${freeTries} THEN ${window} ELSE ${quiet} END`)}
    THEN 1 ELSE t.recent_failures + 1 END`;
  const mayStrangerTry = `${isFree('t')} AND t.failures < ${mostByStrangers(policy)}`;
  // Always the device's row before the account's: two statements never wait for each other. What is known to be blocked is not locked,
  // which is a write; what is not is looked at once more under its lock.
  return `counted AS (
      SELECT c.id AS user_id, c.device, coalesce(sha256(convert_to('${ACCOUNT}' || c.id, 'UTF8')), ${stranger}) AS key
      FROM ${candidate} c),
    by_device AS (
      UPDATE known_devices AS d SET failures = d.failures + 1, blocked_until = ${blockedAfter('d.failures + 1')}
      FROM counted c WHERE d.digest = c.device AND d.user_id = c.user_id AND ${isFree('d')}
      RETURNING c.key, c.user_id),
    tried_by_device AS (
      INSERT INTO sign_in_throttles AS t (key, user_id, failures) SELECT key, user_id, 1 FROM by_device
      ON CONFLICT (key) DO UPDATE SET failures = t.failures + 1 WHERE t.failures < ${mostFailures}
      RETURNING 1),
    tried_by_stranger AS (
      INSERT INTO sign_in_throttles AS t (key, user_id, failures, recent_failures, blocked_until)
        SELECT key, user_id, 1, 1, ${blockedAfter('1')} FROM counted c WHERE device IS NULL
          AND NOT EXISTS (SELECT FROM sign_in_throttles t WHERE t.key = c.key AND NOT (${mayStrangerTry}))
      ON CONFLICT (key) DO UPDATE SET failures = t.failures + 1, recent_failures = ${recent}, last_failed_at = now(),
        blocked_until = ${blockedAfter(`(${recent})`)}
      WHERE ${mayStrangerTry}
      RETURNING 1),
    tried AS (SELECT FROM tried_by_device UNION ALL SELECT FROM tried_by_stranger)`;
}

export function createSignInThrottle(pool: Pool, policy: ThrottlePolicy = THROTTLE_POLICY): SignInThrottle {
  const { longestDelay, mostFailures } = policy;
  interface Waiting {
    wait: number;
    isFinal: boolean;
    since: number | null;
  }
  // A lock for good began with the last try that a stranger was given; every other one is told by the moment in which it began.
  const waitOf = (most: number, table: string, failures: string) => {
    const isFinal = `coalesce(t.failures >= ${most}, false)`;
    const began = `${table}.blocked_until - ${seconds(delayAfter(failures, policy))}`;
    return `SELECT ${isFinal} AS "isFinal",
      ceil(CASE WHEN ${isFinal} THEN ${longestDelay} ELSE GREATEST(1, extract(epoch FROM ${table}.blocked_until - now())) END)::int
        AS wait,
      floor(extract(epoch FROM CASE WHEN ${isFinal} THEN t.last_failed_at ELSE ${began} END) * 1000)::float8 AS since`;
  };
  const waitAsStranger = preparedStatement<Waiting>(
    pool,
    'throttle.wait',
    `${waitOf(mostByStrangers(policy), 't', 't.recent_failures')} FROM sign_in_throttles t WHERE key = $1`,
  );
  const waitAsDevice = preparedStatement<Waiting>(
    pool,
    'throttle.wait_device',
    `${waitOf(mostFailures, 'd', 'd.failures')} FROM known_devices d LEFT JOIN sign_in_throttles t ON t.key = $1
      WHERE d.digest = $2 AND d.user_id = $3::uuid`,
  );
  const forget = preparedStatement(
    pool,
    'throttle.forget',
    `DELETE FROM sign_in_throttles WHERE key IN (SELECT key FROM sign_in_throttles
      WHERE user_id IS NULL AND last_failed_at < now() - interval '1 day' LIMIT $1 FOR UPDATE SKIP LOCKED) RETURNING 1`,
  );

  return {
    async blocked({ key, userId, device }) {
      const [row] = device ? await waitAsDevice([key, device, userId]) : await waitAsStranger([key]);
      const limit = device ? 'device' : 'account';
      const identity = `${key.toString('base64')} ${device?.toString('base64')} ${row?.isFinal}`;
      const since = row?.since ?? undefined;
      return { limit, retryAfter: row?.wait ?? 1, ...(since !== undefined && { block: { identity, since } }) };
    },
    async forgetStrangers(limit = 1_000) {
      return (await forget([limit])).length;
    },
  };
}
