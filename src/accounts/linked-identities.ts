import type { Audit, AuditContext, Transaction } from '../audit/audit.ts';
import type { Database } from '../platform/database/database.ts';
import { retryConflicts } from '../platform/database/statement-batch.ts';
import { isAccountId } from './account.ts';
import { lockPerson, readAccount } from './accounts.store.ts';
import {
  hasPassword,
  type LinkedIdentity,
  readIdentities,
  readOtherProviders,
  removeIdentities,
  type Which,
} from './linked-identities.store.ts';
import type { Notify } from './notifications.ts';
import { voidPendingLinks } from './pending-links.store.ts';
import { endSessionsOf } from './sessions.store.ts';

export type { LinkedIdentity } from './linked-identities.store.ts';

export type UnlinkOutcome = 'done' | 'not_found' | 'only_way_in';

export interface LinkedIdentities {
  /** Oldest first. */
  list(accountId: string): Promise<LinkedIdentity[]>;
  /**
   * Without `subject`, all that the person has at this provider. Refused when nothing else would let them in. Sessions that began
   * with it stay, as after any change of what one signs in with that was not a loss; with `endsAccess`, because it was one, all
   * sessions, grants and tokens of the person end in the same transaction.
   */
  unlink(identity: UnlinkInput, by: AuditContext): Promise<UnlinkOutcome>;
}

export interface UnlinkInput {
  provider: string;
  accountId: string;
  subject?: string;
  endsAccess?: boolean;
}

export interface LinkedIdentitiesOptions {
  database: Pick<Database, 'prisma'>;
  audit: Pick<Audit, 'in'>;
  notify: Notify;
  displayName(provider: string): string;
  isConfigured(provider: string): boolean;
  /** Ends the person's sessions, grants, codes and tokens inside the transaction. */
  endAccess(tx: Transaction, accountId: string): Promise<{ sessions: string[] }>;
}

export function createLinkedIdentities(options: LinkedIdentitiesOptions): LinkedIdentities {
  const { database, audit, notify, displayName, isConfigured, endAccess } = options;

  /** A password, or an identity at a provider that is configured and open. */
  async function hasOtherWayIn(tx: Transaction, which: Which): Promise<boolean> {
    return (await hasPassword(tx, which.userId)) || (await readOtherProviders(tx, which)).some(isConfigured);
  }

  async function endAll(tx: Transaction, userId: string): Promise<number> {
    // The list first, as when an account is disabled.
    const listed = await endSessionsOf(tx, userId);
    const { sessions } = await endAccess(tx, userId);
    return new Set([...sessions, ...listed]).size;
  }

  return {
    list: async (accountId) => (isAccountId(accountId) ? readIdentities(database.prisma, accountId) : []),

    async unlink({ provider, accountId: userId, subject, endsAccess = false }, by) {
      if (!isAccountId(userId)) return 'not_found';
      return retryConflicts(() =>
        database.prisma.$transaction(async (tx): Promise<UnlinkOutcome> => {
          // Two at once, each the other's only alternative: the second waits, and is refused.
          if (!(await lockPerson(tx, userId))) return 'not_found';
          const which = { userId, provider, ...(subject !== undefined && { subject }) };
          if ((await tx.federatedIdentity.count({ where: which })) === 0) return 'not_found';
          if (!(await hasOtherWayIn(tx, which))) return 'only_way_in';
          await removeIdentities(tx, which);
          // A proof that was asked for before dies with it. S-103
          await voidPendingLinks(tx, which);
          const ended = endsAccess && { sessionsEnded: await endAll(tx, userId) };
          await audit.in(tx).identityUnlinked({ userId, provider, ...ended }, by);
          const account = (await readAccount(tx, userId))!;
          await notify(tx, account, 'identity_unlinked', { provider: displayName(provider), by });
          return 'done';
        }),
      );
    },
  };
}
