import type { Pool } from 'pg';
import { insertPlaced } from '../audit/audit.store.ts';
import type { AuditRow, Transaction } from '../audit/audit.ts';
import { preparedStatement } from '../platform/database/prepared-statement.ts';
import type { Account, AccountState } from './account.ts';
import { ACCOUNT_COLUMNS, type AccountRow, accountOf, ID_BY_LOGIN } from './accounts.store.ts';
import type { Login } from './login.ts';
import type { StoredPassword } from './password-credentials.store.ts';

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

export function createSignInStore(pool: Pool) {
  const lookUp = preparedStatement<CandidateRow>(
    pool,
    'sign_in.look_up',
    `SELECT ${ACCOUNT_COLUMNS}, p.hash, p.pepper_id AS "pepperId", p.must_change AS "mustChange", p.changed_at AS "changedAt",
        (SELECT d.digest FROM known_devices d WHERE d.user_id = u.id AND d.digest = ANY ($3::bytea[])
          AND d.last_used_at > now() - interval '${DEVICE_LIFETIME}' ORDER BY d.last_used_at DESC LIMIT 1) AS device
      FROM users u LEFT JOIN email_addresses e ON e.primary_of = u.id LEFT JOIN password_credentials p ON p.user_id = u.id
      WHERE u.id = ${ID_BY_LOGIN}`,
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
      SELECT state::text AS state FROM live`,
  );

  return {
    async lookUp({ userNameKey, addressKey }: Login, devices: Buffer[]): Promise<Candidate | undefined> {
      const [row] = await lookUp([userNameKey ?? null, addressKey ?? null, devices]);
      if (!row) return undefined;
      const { hash, pepperId, mustChange, changedAt, device } = row;
      return {
        account: accountOf(row),
        accessGeneration: row.accessGeneration,
        ...(hash !== null && { password: { hash, pepperId, mustChange, changedAt } }),
        ...(device && { device }),
      };
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

/**
 * A password that was set anew starts with no failures (S-127), and no browser is known any more: one of them may have been the
 * reason for it. The devices' rows before the account's, as everywhere.
 */
export async function forgetFailures(tx: Transaction, userId: string): Promise<void> {
  await tx.knownDevice.deleteMany({ where: { userId } });
  await tx.signInThrottle.deleteMany({ where: { userId } });
}
