import type { Transaction } from '../audit/audit.ts';
import { UNPEPPERED } from './password-credentials.store.ts';

/** The peppers that passwords were hashed with: without one of these, whoever has such a password is locked out. */
export async function pepperIdsInUse(tx: Pick<Transaction, '$queryRaw'>): Promise<string[]> {
  const rows = await tx.$queryRaw<{ pepperId: string }[]>`
    SELECT DISTINCT pepper_id AS "pepperId" FROM password_credentials WHERE pepper_id <> ${UNPEPPERED}`;
  return rows.map(({ pepperId }) => pepperId);
}
