import type { Pool } from 'pg';
import { insertPlaced } from '../audit/audit.store.ts';
import type { AuditRow, Transaction } from '../audit/audit.ts';
import { preparedStatement } from '../platform/database/prepared-statement.ts';
import { UNFLUSHED } from '../platform/database/unflushed.ts';
import type { Account, AccountState } from './account.ts';
import { ACCOUNT_COLUMNS, type AccountRow, accountOf, ID_BY_LOGIN } from './accounts.store.ts';
import type { Login } from './login.ts';
import type { StoredPassword } from './password-credentials.store.ts';
import { type ThrottlePolicy, takeTry } from './sign-in-throttle.ts';

/** A browser that was not used for so long is a stranger again. */
const DEVICE_LIFETIME = '180 days';
const MOST_DEVICES = 20;

/** Whoever may be signing in. */
export interface Candidate {
  account: Account;
  accessGeneration: number;
  password?: StoredPassword & { mustChange: boolean; changedAt: Date };
  /** Digest of the secret by which this browser is known. */
  device?: Buffer;
}

export interface Attempt {
  login: Login;
  /** Digests of the secrets that the browser has. */
  devices: Buffer[];
  /** The throttle's key if nobody has this login. */
  stranger: Buffer;
  knownPeppers: string[];
}

export interface Begun {
  candidate?: Candidate;
  /** `taken`: one try is used up. `unknown_pepper`: none was looked for, because the password cannot be compared. */
  try: 'taken' | 'none_left' | 'unknown_pepper';
}

type BegunRow = { isTaken: boolean } & ((CandidateRow & { isComparable: boolean }) | { id: null });

interface CandidateRow extends AccountRow {
  hash: string | null;
  pepperId: string;
  mustChange: boolean;
  changedAt: Date;
  device: Buffer | null;
}

export interface Success {
  userId: string;
  /** The throttle's key. */
  key: Buffer;
  /** Digest of the browser's secret, old or new. */
  device: Buffer;
  /** When the password that was compared had been set. */
  changedAt: Date;
  /** What the audit log says about it. */
  record: AuditRow;
}

export function createSignInStore(pool: Pool, policy: ThrottlePolicy) {
  const begin = preparedStatement<BegunRow>(
    pool,
    'sign_in.begin',
    `WITH found AS MATERIALIZED (
        SELECT ${ACCOUNT_COLUMNS}, p.hash, p.pepper_id AS "pepperId", p.must_change AS "mustChange", p.changed_at AS "changedAt",
          p.pepper_id IS NULL OR p.pepper_id = ANY ($5::text[]) AS "isComparable",
          (SELECT d.digest FROM known_devices d WHERE d.user_id = u.id AND d.digest = ANY ($3::bytea[])
            AND d.last_used_at > now() - interval '${DEVICE_LIFETIME}' ORDER BY d.last_used_at DESC LIMIT 1) AS device
        FROM users u LEFT JOIN email_addresses e ON e.primary_of = u.id LEFT JOIN password_credentials p ON p.user_id = u.id
        WHERE u.id = ${ID_BY_LOGIN}),
      candidate AS (SELECT f.* FROM (SELECT) AS anybody LEFT JOIN found f ON true),
      ${takeTry('(SELECT id, device FROM candidate WHERE "isComparable" IS NOT FALSE)', '$4::bytea', policy)}
      SELECT candidate.*, EXISTS (SELECT FROM tried) AS "isTaken", ${UNFLUSHED} FROM candidate`,
  );
  // The account as it is now, after the hash was computed. The devices' rows before the account's, as everywhere; of those that
  // were not used for longest, one that somebody is using stays. They are found first and locked then: OFFSET locks what it skips.
  const succeed = preparedStatement<{ state: AccountState }>(
    pool,
    'sign_in.succeed',
    `WITH live AS (
        SELECT u.id, u.state FROM users u JOIN password_credentials p ON p.user_id = u.id AND p.changed_at = $4
        WHERE u.id = $1::uuid),
      device AS (
        INSERT INTO known_devices AS d (digest, user_id) SELECT $3::bytea, id FROM live WHERE state = 'active'
        ON CONFLICT (digest, user_id) DO UPDATE SET failures = 0, blocked_until = NULL, last_used_at = now()
        RETURNING 1),
      removed AS (
        DELETE FROM known_devices WHERE user_id = $1::uuid AND digest IN (
          SELECT digest FROM known_devices WHERE user_id = $1::uuid AND digest IN (
            SELECT digest FROM known_devices WHERE user_id = $1::uuid AND digest <> $3 AND (SELECT count(*) FROM device) > 0
            ORDER BY last_used_at DESC OFFSET ${MOST_DEVICES - 1})
          FOR UPDATE SKIP LOCKED)
        RETURNING 1),
      reset AS (
        DELETE FROM sign_in_throttles
        WHERE key = $2 AND EXISTS (SELECT 1 FROM live) AND (SELECT count(*) FROM device) + (SELECT count(*) FROM removed) >= 0),
      recorded AS (${insertPlaced('$5::json', 'EXISTS (SELECT 1 FROM device)')})
      SELECT state::text AS state, ${UNFLUSHED} FROM live`,
  );

  return {
    /** Looks for whoever may be signing in, and takes one try of theirs. */
    async begin({ login, devices, stranger, knownPeppers }: Attempt): Promise<Begun> {
      const { userNameKey = null, addressKey = null } = login;
      const [row] = (await begin([userNameKey, addressKey, devices, stranger, knownPeppers])) as [BegunRow];
      const taken = row.isTaken ? 'taken' : 'none_left';
      if (row.id === null) return { try: taken };
      return { candidate: candidateOf(row), try: row.isComparable ? taken : 'unknown_pepper' };
    },
    /**
     * Resets the counters, remembers the browser and, if the account is active, that it signed in. Undefined when the password was
     * replaced meanwhile.
     */
    async succeed({ userId, key, device, changedAt, record }: Success): Promise<AccountState | undefined> {
      const [row] = await succeed([userId, key, device, changedAt, JSON.stringify([record])]);
      return row?.state;
    },
  };
}

function candidateOf(row: CandidateRow): Candidate {
  const { hash, pepperId, mustChange, changedAt, device } = row;
  return {
    account: accountOf(row),
    accessGeneration: row.accessGeneration,
    ...(hash !== null && { password: { hash, pepperId, mustChange, changedAt } }),
    ...(device && { device }),
  };
}

/**
 * A password that was set anew starts with no failures (S-127), and no browser is known any more: one of them may have been the
 * reason for it. The devices' rows before the account's, as everywhere.
 */
export async function forgetFailures(tx: Transaction, userId: string): Promise<void> {
  await tx.knownDevice.deleteMany({ where: { userId } });
  await tx.signInThrottle.deleteMany({ where: { userId } });
}
