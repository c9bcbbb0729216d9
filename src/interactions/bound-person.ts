import type { Context } from 'koa';
import type { PendingInteraction } from '../provider/identity-provider.ts';
import { loginPersonView } from './person-view.ts';
import type { FindsAccounts } from './ports.ts';
import type { LoginPersonView } from './views.ts';

export type BoundPerson = LoginPersonView & { id: string };

/** Somebody is signed in, and the application wants somebody else. */
const OTHER_PERSON = ['id_token_hint', 'claims_id_token_sub_value'];

/** What is added to an address of a sign-in page whose reader wants to be somebody else. */
export const ANYBODY = '?account=other';

export function wantsOther(ctx: Context): boolean {
  return ctx.query.account === 'other';
}

/** Who has to sign in again. Undefined when anybody may. S-016 */
export async function findBoundPerson(
  accounts: FindsAccounts,
  pending: PendingInteraction,
): Promise<BoundPerson | undefined> {
  if (pending.accountId === undefined) return undefined;
  if (pending.reasons.some((reason) => OTHER_PERSON.includes(reason))) return undefined;
  const account = await accounts.find(pending.accountId);
  const person = account?.state === 'active' ? loginPersonView(account) : undefined;
  return person && { ...person, id: account!.id };
}
