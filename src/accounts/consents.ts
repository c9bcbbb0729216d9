import type { Audit, AuditContext, Transaction } from '../audit/audit.ts';
import type { Database } from '../platform/database/database.ts';
import { retryConflicts } from '../platform/database/statement-batch.ts';
import { waitForLocks } from '../platform/database/wait-for-locks.ts';
import { isAccountId } from './account.ts';
import { type RememberedConsent, readConsents } from './consents.store.ts';

export type { RememberedConsent } from './consents.store.ts';

export interface Consents {
  list(userId: string): Promise<RememberedConsent[]>;
  /** From now on the application is refused what it holds of this person, and has to ask again. S-059, S-087 */
  withdraw(consent: { userId: string; clientId: string }, by: AuditContext): Promise<'done' | 'not_found'>;
}

export interface ConsentsOptions {
  database: Pick<Database, 'prisma'>;
  audit: Pick<Audit, 'in'>;
  /** Forgets the consent and ends grants, codes and tokens inside the transaction. False when there was nothing to end. */
  endConsent(tx: Transaction, consent: { userId: string; clientId: string }): Promise<boolean>;
}

/** What a person allowed applications, for them to look at and take back. It is given on the consent screen of the protocol. */
export function createConsents({ database: { prisma }, audit, endConsent }: ConsentsOptions): Consents {
  return {
    list: async (userId) => (isAccountId(userId) ? readConsents(prisma, userId) : []),

    async withdraw({ userId, clientId }, by) {
      if (!isAccountId(userId)) return 'not_found';
      // Ending grants locks tokens that requests under way lock too.
      return retryConflicts(() =>
        prisma.$transaction(async (tx) => {
          await waitForLocks(tx);
          if (!(await endConsent(tx, { userId, clientId }))) return 'not_found';
          await audit.in(tx).consentWithdrawn({ userId, clientId }, by);
          return 'done';
        }),
      );
    },
  };
}
