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

export type Try = { kind: 'taken' } | { kind: 'blocked'; limit: 'account' | 'device'; retryAfter: number };

export interface SignInThrottle {
  /** Takes one try before the password is looked at: as a failure, until it proves to be none. S-128 */
  take(counted: Counted): Promise<Try>;
  /** Forgets logins that belong to nobody and were quiet for a day; returns how many. */
  forgetStrangers(limit?: number): Promise<number>;
}

/** Every spelling and every login of one account has the same key. S-129 */
export function accountKey(userId: string): Buffer {
  return sha256(`account:${userId}`);
}

/** For a login that nobody has. Keyed: people type passwords into the wrong field. */
export function strangerKey(login: Login, secret: Buffer): Buffer {
  return createHmac('sha256', secret)
    .update(`login:${JSON.stringify([login.userNameKey ?? null, login.addressKey ?? null])}`)
    .digest();
}

/**
 * Counts tries in PostgreSQL, one statement each, so that two hundred at once are two hundred. Logins that belong to nobody are
 * counted by the same statement, so that neither its cost nor its delay tells them apart. S-122, S-128
 */
export function createSignInThrottle(pool: Pool, policy: ThrottlePolicy = THROTTLE_POLICY): SignInThrottle {
  const { freeTries, window, firstDelay, longestDelay, quiet, mostFailures, reservedForDevices } = policy;
  const mostByStrangers = mostFailures - reservedForDevices;

  const seconds = (number: string | number) => `(${number}) * interval '1 second'`;
  const blockedAfter = (failures: string) => `CASE WHEN ${failures} >= ${freeTries} THEN now() +
    ${seconds(`LEAST(${longestDelay}, ${firstDelay} * power(2, LEAST(${failures} - ${freeTries}, 20)))`)} END`;
  const isFree = (table: string) => `(${table}.blocked_until IS NULL OR ${table}.blocked_until <= now())`;
  const recent = `CASE WHEN t.last_failed_at < now() -
    ${seconds(`CASE WHEN t.recent_failures < ${freeTries} THEN ${window} ELSE ${quiet} END`)}
    THEN 1 ELSE t.recent_failures + 1 END`;

  const takeAsStranger = preparedStatement<{ failures: number }>(
    pool,
    'throttle.take',
    `INSERT INTO sign_in_throttles AS t (key, user_id, failures, recent_failures, blocked_until)
      VALUES ($1, $2::uuid, 1, 1, ${blockedAfter('1')})
      ON CONFLICT (key) DO UPDATE SET failures = t.failures + 1, recent_failures = ${recent}, last_failed_at = now(),
        blocked_until = ${blockedAfter(`(${recent})`)}
      WHERE ${isFree('t')} AND t.failures < ${mostByStrangers}
      RETURNING failures`,
  );
  // Always the device's row before the account's: two statements never wait for each other.
  const takeAsDevice = preparedStatement<{ failures: number }>(
    pool,
    'throttle.take_device',
    `WITH device AS (
        UPDATE known_devices AS d SET failures = d.failures + 1, blocked_until = ${blockedAfter('d.failures + 1')}
        WHERE d.digest = $3 AND d.user_id = $2::uuid AND ${isFree('d')} RETURNING 1)
      INSERT INTO sign_in_throttles AS t (key, user_id, failures) SELECT $1::bytea, $2::uuid, 1 FROM device
      ON CONFLICT (key) DO UPDATE SET failures = t.failures + 1 WHERE t.failures < ${mostFailures}
      RETURNING failures`,
  );
  const waitOf = (failures: string, limit: number, table: string) => `SELECT ceil(CASE WHEN ${failures} >= ${limit}
      THEN ${longestDelay} ELSE GREATEST(1, extract(epoch FROM ${table}.blocked_until - now())) END)::int AS wait`;
  const waitAsStranger = preparedStatement<{ wait: number }>(
    pool,
    'throttle.wait',
    `${waitOf('t.failures', mostByStrangers, 't')} FROM sign_in_throttles t WHERE key = $1`,
  );
  const waitAsDevice = preparedStatement<{ wait: number }>(
    pool,
    'throttle.wait_device',
    `${waitOf('t.failures', mostFailures, 'd')} FROM known_devices d LEFT JOIN sign_in_throttles t ON t.key = $1
      WHERE d.digest = $2 AND d.user_id = $3::uuid`,
  );
  const forget = preparedStatement(
    pool,
    'throttle.forget',
    `DELETE FROM sign_in_throttles WHERE key IN (SELECT key FROM sign_in_throttles
      WHERE user_id IS NULL AND last_failed_at < now() - interval '1 day' LIMIT $1 FOR UPDATE SKIP LOCKED) RETURNING 1`,
  );

  /** Tries of one account stand in line here, so that an attack on it holds one connection of this node and not all of them. */
  const lines = new Map<string, Promise<unknown>>();
  function inLine<T>(key: Buffer, act: () => Promise<T>): Promise<T> {
    const line = key.toString('base64');
    const turn = (lines.get(line) ?? Promise.resolve()).then(act, act);
    lines.set(line, turn);
    const leave = () => {
      if (lines.get(line) === turn) lines.delete(line);
    };
    turn.then(leave, leave);
    return turn;
  }

  async function take({ key, userId, device }: Counted): Promise<Try> {
    const taken = device ? await takeAsDevice([key, userId, device]) : await takeAsStranger([key, userId ?? null]);
    if (taken.length > 0) return { kind: 'taken' };
    const [row] = device ? await waitAsDevice([key, device, userId]) : await waitAsStranger([key]);
    return { kind: 'blocked', limit: device ? 'device' : 'account', retryAfter: row?.wait ?? 1 };
  }

  return {
    take: (counted) => inLine(counted.device ?? counted.key, () => take(counted)),
    async forgetStrangers(limit = 1_000) {
      return (await forget([limit])).length;
    },
  };
}
