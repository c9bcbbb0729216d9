import type { Audit, AuditContext } from '../audit/audit.ts';
import type { Database } from '../platform/database/database.ts';
import { retryConflicts } from '../platform/database/statement-batch.ts';
import { isAccountId } from './account.ts';
import { lockPerson, readAccount } from './accounts.store.ts';
import { hasOtherWayIn, type LinkedIdentity, readIdentities, removeIdentities } from './linked-identities.store.ts';
import type { Notify } from './notifications.ts';
import { voidPendingLinks } from './pending-links.store.ts';

export type { LinkedIdentity } from './linked-identities.store.ts';

export type UnlinkOutcome = 'done' | 'not_found' | 'only_way_in';

export interface LinkedIdentities {
  /** Oldest first. */
  list(accountId: string): Promise<LinkedIdentity[]>;
  /**
   * Without `subject`, all that the person has at this provider. Refused when nothing else would let them in. Sessions that began
   * with it stay, as after any change of what one signs in with that was not a loss.
   */
  unlink(identity: { provider: string; accountId: string; subject?: string }, by: AuditContext): Promise<UnlinkOutcome>;
}

export interface LinkedIdentitiesOptions {
  database: Pick<Database, 'prisma'>;
  audit: Pick<Audit, 'in'>;
  notify: Notify;
  displayName(provider: string): string;
}

export function createLinkedIdentities(options: LinkedIdentitiesOptions): LinkedIdentities {
  const { database, audit, notify, displayName } = options;
  return {
    list: async (accountId) => (isAccountId(accountId) ? readIdentities(database.prisma, accountId) : []),

    async unlink({ provider, accountId: userId, subject }, by) {
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
          await audit.in(tx).identityUnlinked({ userId, provider }, by);
          await notify(tx, (await readAccount(tx, userId))!, 'identity_unlinked', { provider: displayName(provider) });
          return 'done';
        }),
      );
    },
  };
}
