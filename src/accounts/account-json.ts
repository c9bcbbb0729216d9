import type { StoredAccount } from './account.ts';
import { ACCOUNTS, type AccountRow, storedAccountOf } from './accounts.store.ts';

/**
 * An account as one JSON value of somebody else's statement: whoever reads a session or a token needs its person next, and would
 * ask a second time. `id` is an SQL expression for a text, which need not be the id of anybody.
 * NOTE its own SELECT is done once; without it the planner has the text looked at for every person there is, while they are few.
 */
export function accountAsJson(id: string): string {
  return `(SELECT row_to_json(account) FROM (
    ${ACCOUNTS}
    WHERE u.id = (SELECT CASE WHEN ${id} ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN ${id}::uuid END)) AS account)`;
}

export function accountFromJson(text: string): StoredAccount {
  const row = JSON.parse(text) as Omit<AccountRow, 'updatedAt'> & { updatedAt: string };
  return storedAccountOf({ ...row, updatedAt: new Date(row.updatedAt) });
}
