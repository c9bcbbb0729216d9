import type { Pool } from 'pg';
import { insertPlaced } from '../audit/audit.store.ts';
import type { AuditRow, Transaction } from '../audit/audit.ts';
import { preparedStatement } from '../platform/database/prepared-statement.ts';
import type { StoredFormat } from './decoy-hashes.ts';
import { FORMAT_PATTERN } from './password-hash.ts';

/** A password as the database knows it. */
export interface StoredPassword {
  hash: string;
  /** Which pepper keyed it; `UNPEPPERED` for an imported hash. */
  pepperId: string;
}

export const UNPEPPERED = 'none';

export function createCredentialStore(pool: Pool) {
  const countFormats = preparedStatement<{ format: string | null; count: string }>(
    pool,
    'passwords.formats',
    `SELECT substring(hash FROM $1) AS format, count(*) AS count FROM password_credentials GROUP BY 1`,
  );
  const upgrade = preparedStatement(
    pool,
    'passwords.upgrade',
    `WITH upgraded AS (
        UPDATE password_credentials SET hash = $3, pepper_id = $4 WHERE user_id = $1::uuid AND hash = $2 RETURNING user_id),
      recorded AS (${insertPlaced('$5::json', 'EXISTS (SELECT FROM upgraded)')})
      SELECT user_id FROM upgraded`,
  );
  const find = preparedStatement(
    pool,
    'passwords.exists',
    'SELECT 1 FROM password_credentials WHERE user_id = $1::uuid',
  );
  return {
    hasPassword: async (userId: string): Promise<boolean> => (await find([userId])).length > 0,
    async countFormats(): Promise<StoredFormat[]> {
      const rows = await countFormats([FORMAT_PATTERN]);
      return rows.flatMap(({ format, count }) => (format === null ? [] : [{ format, count: Number(count) }]));
    },
    /** Replaces the hash of the same password, with its record, unless somebody has replaced it before. */
    async upgrade(userId: string, old: StoredPassword, by: StoredPassword, record: AuditRow): Promise<boolean> {
      return (await upgrade([userId, old.hash, by.hash, by.pepperId, JSON.stringify([record])])).length > 0;
    },
  };
}

/** Sets a password that its owner has chosen. */
export async function setPassword(tx: Transaction, userId: string, password: StoredPassword): Promise<void> {
  const data = { ...password, mustChange: false, changedAt: new Date() };
  await tx.passwordCredential.upsert({ where: { userId }, create: { userId, ...data }, update: data });
}
