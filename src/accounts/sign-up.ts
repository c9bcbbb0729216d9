import type { Audit, AuditContext } from '../audit/audit.ts';
import type { Database } from '../platform/database/database.ts';
import { retryConflicts } from '../platform/database/statement-batch.ts';
import { waitForLocks } from '../platform/database/wait-for-locks.ts';
import type { StoredAccount } from './account.ts';
import { insertAccount, readStoredAccount } from './accounts.store.ts';
import { insertIdentity } from './federated-identities.store.ts';
import type { ParsedIdentity } from './federated-identity.ts';

/** Ends the transaction without a trace, to become an outcome outside it. */
class TakenError extends Error {
  override readonly name = 'IdentityTakenError';
}

/**
 * Makes the account of an identity that nobody has, with the address that its provider verified. Whether the address or the identity
 * is free is decided by their unique keys; undefined when either has an owner by now, who can then be read.
 */
export async function signUp(
  { database, audit }: { database: Pick<Database, 'prisma'>; audit: Pick<Audit, 'in'> },
  identity: ParsedIdentity & { email: NonNullable<ParsedIdentity['email']> },
  by: AuditContext,
): Promise<StoredAccount | undefined> {
  const { provider, email, profile } = identity;
  try {
    return await retryConflicts(() =>
      database.prisma.$transaction(async (tx) => {
        // Somebody else who makes the same account is waited for, and then found.
        await waitForLocks(tx);
        const inserted = await insertAccount(tx, { email, profile, isAdministrator: false });
        if (inserted.kind === 'conflict' || !(await insertIdentity(tx, identity, inserted.id))) throw new TakenError();
        const userId = inserted.id;
        const writer = audit.in(tx);
        await writer.userCreated({ userId }, by);
        await writer.accountCreatedBySignUp({ userId, provider }, by);
        await writer.signInSucceeded({ userId, amr: ['fed'], provider }, by);
        return readStoredAccount(tx, userId);
      }),
    );
  } catch (error) {
    if ((error as Error | undefined)?.name !== 'IdentityTakenError') throw error;
    return undefined;
  }
}
