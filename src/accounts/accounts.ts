import type { Audit, AuditContext, Transaction } from '../audit/audit.ts';
import type { Database } from '../platform/database/database.ts';
import { retryConflicts } from '../platform/database/statement-batch.ts';
import { badRequest } from '../platform/errors.ts';
import { type Account, isAccountId, type StoredAccount } from './account.ts';
import {
  administratorExists,
  createAccountFinder,
  eraseAccount,
  lockAccount,
  lockAdministratorCreation,
  readAccount,
  readAccounts,
  setState,
} from './accounts.store.ts';
import { parseLogin } from './login.ts';
import {
  type Conflict,
  type NewAccount,
  prepareAccount,
  type Refused,
  unlessConflict,
  writeAccount,
} from './new-account.ts';
import type { Notify } from './notifications.ts';
import { voidLinks } from './one-time-links.store.ts';
import { createCredentialStore } from './password-credentials.store.ts';
import type { Passwords } from './passwords.ts';
import { endSessionsOf } from './sessions.store.ts';

export type { NewAccount } from './new-account.ts';

export type CreateOutcome = { kind: 'created'; account: Account } | Conflict | Refused;
export type StateOutcome = 'done' | 'unchanged' | 'not_found';

export interface Accounts {
  /** Hot: one prepared statement. Disabled and deleted accounts are found too. */
  find(id: string): Promise<StoredAccount | undefined>;
  /** By user name or e-mail address, in any spelling. */
  findByLogin(login: string): Promise<Account | undefined>;
  /** Whether the person can prove themselves here. Read anew each time. */
  hasPassword(id: string): Promise<boolean>;
  list(page: { after?: string; limit: number }): Promise<{ accounts: Account[]; next?: string }>;
  /** Without one, the service offers its setup link. */
  hasAdministrator(): Promise<boolean>;
  create(input: NewAccount, by: AuditContext): Promise<CreateOutcome>;
  /** Ends sessions, grants, codes and tokens in the same transaction. The last active administrator cannot be disabled. S-158 */
  disable(id: string, by: AuditContext): Promise<StateOutcome | 'last_administrator'>;
  /** Nothing that is older than this comes back: not even what was kept by somebody who only changed the row. S-158 */
  enable(id: string, by: AuditContext): Promise<StateOutcome>;
  /** As disabling, and forgets everything but the id. */
  delete(id: string, by: AuditContext): Promise<'done' | 'not_found' | 'last_administrator'>;
}

export interface AccountsOptions {
  database: Pick<Database, 'pool' | 'prisma'>;
  audit: Pick<Audit, 'in'>;
  passwords: Pick<Passwords, 'check' | 'hash'>;
  notify: Notify;
  /** Ends the person's sessions, grants, codes and tokens inside the transaction. */
  endAccess(tx: Transaction, accountId: string): Promise<{ sessions: string[] }>;
}

/** Milliseconds, for a few statements that may each take as long as `waitForLocks` says. */
const PATIENT = { timeout: 60_000 };

export function createAccounts({ database, audit, passwords, notify, endAccess }: AccountsOptions): Accounts {
  const { prisma, pool } = database;
  const finder = createAccountFinder(pool);
  const { hasPassword } = createCredentialStore(pool);

  /** Ending access locks sessions, grants and tokens that requests under way lock too. */
  function whileEndingAccess<Outcome>(work: (tx: Transaction) => Promise<Outcome>): Promise<Outcome> {
    return retryConflicts(() => prisma.$transaction(work, PATIENT));
  }

  async function endAll(tx: Transaction, id: string): Promise<number> {
    // The list first, as when a single session ends: in one order everywhere, nobody waits for each other.
    const listed = await endSessionsOf(tx, id);
    const { sessions } = await endAccess(tx, id);
    // An invitation is access too: whoever follows it chooses the password.
    await voidLinks(tx, { purpose: 'set_password', userId: id });
    return new Set([...sessions, ...listed]).size;
  }

  return {
    async find(id) {
      return isAccountId(id) ? finder.find(id) : undefined;
    },

    findByLogin: (login) => finder.findByLogin(parseLogin(login)),

    hasPassword: async (id) => isAccountId(id) && hasPassword(id),

    async list({ after, limit }) {
      if (after !== undefined && !isAccountId(after)) throw badRequest('after', 'This is not the id of an account.');
      const accounts = await readAccounts(prisma, { after, limit: limit + 1 });
      if (accounts.length <= limit) return { accounts };
      return { accounts: accounts.slice(0, limit), next: accounts[limit - 1]!.id };
    },

    hasAdministrator: () => administratorExists(prisma),

    async create(input, by) {
      const prepared = await prepareAccount(input, passwords);
      if (prepared.kind === 'refused') return prepared;
      return unlessConflict(() =>
        prisma.$transaction(async (tx) => {
          if (prepared.record.isAdministrator) await lockAdministratorCreation(tx);
          const account = await writeAccount(tx, prepared);
          const writer = audit.in(tx);
          await writer.userCreated({ userId: account.id, isAdministrator: account.isAdministrator }, by);
          if (account.isAdministrator) {
            await writer.administratorCreated({ userId: account.id, how: 'administration' }, by);
          }
          return { kind: 'created', account } as const;
        }),
      );
    },

    async disable(id, by) {
      if (!isAccountId(id)) return 'not_found';
      return whileEndingAccess(async (tx) => {
        const locked = await lockAccount(tx, id);
        if (!locked) return 'not_found';
        if (locked.state === 'disabled') return 'unchanged';
        if (locked.isLastAdministrator) return 'last_administrator';
        await setState(tx, id, 'disabled');
        const sessionsEnded = await endAll(tx, id);
        await audit.in(tx).userDisabled({ userId: id, sessionsEnded }, by);
        await notify(tx, (await readAccount(tx, id))!, 'account_disabled', { by });
        return 'done';
      });
    },

    async enable(id, by) {
      if (!isAccountId(id)) return 'not_found';
      return whileEndingAccess(async (tx) => {
        const locked = await lockAccount(tx, id);
        if (!locked) return 'not_found';
        if (locked.state === 'active') return 'unchanged';
        await setState(tx, id, 'active');
        await endAll(tx, id);
        await audit.in(tx).userEnabled({ userId: id }, by);
        await notify(tx, (await readAccount(tx, id))!, 'account_enabled', { by });
        return 'done';
      });
    },

    async delete(id, by) {
      if (!isAccountId(id)) return 'not_found';
      return whileEndingAccess(async (tx) => {
        const locked = await lockAccount(tx, id);
        if (!locked) return 'not_found';
        if (locked.isLastAdministrator) return 'last_administrator';
        const account = (await readAccount(tx, id))!;
        const sessionsEnded = await endAll(tx, id);
        await eraseAccount(tx, id);
        await audit.in(tx).userDeleted({ userId: id, sessionsEnded }, by);
        await notify(tx, account, 'account_deleted', { by });
        return 'done';
      });
    },
  };
}
