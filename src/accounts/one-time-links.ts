import type { Audit, AuditContext, Transaction } from '../audit/audit.ts';
import type { Database } from '../platform/database/database.ts';
import { retryConflicts } from '../platform/database/statement-batch.ts';
import { notFound } from '../platform/errors.ts';
import { type Account, isAccountId } from './account.ts';
import { administratorExists, lockAccount, lockAdministratorCreation, readAccount } from './accounts.store.ts';
import {
  type Conflict,
  type NewAccount,
  prepareAccount,
  type Refused,
  unlessConflict,
  writeAccount,
} from './new-account.ts';
import type { Notify } from './notifications.ts';
import {
  consumeLink,
  createSetupLink,
  isVacant,
  type OneTimeLink,
  type Purpose,
  readLink,
  replaceLinks,
  voidLinks,
} from './one-time-links.store.ts';
import { type OneTimeToken, parseOneTimeToken } from './one-time-token.ts';
import { setPassword } from './password-credentials.store.ts';
import type { Passwords } from './passwords.ts';
import { endSessionsOf } from './sessions.store.ts';
import { forgetFailures } from './sign-in.store.ts';

const SETUP_LIFETIME = 24 * 3_600;
/** Each start prints one, except in production, and so does a command. */
const SETUP_LINKS = 5;
const INVITATION_LIFETIME = 7 * 24 * 3_600;

export type SetupInput = Pick<NewAccount, 'userName' | 'email' | 'name' | 'locale'> & { password: string };
export type SetupOutcome = { kind: 'created'; account: Account } | Refused | Conflict | { kind: 'spent' };
export type SetPasswordOutcome = { kind: 'changed'; account: Account } | Refused | { kind: 'spent' };

export interface OneTimeLinks {
  /**
   * While nobody is administrator, a new link. The newest ones are good together, because another node's start must not void what
   * this one printed, and all end with the first that is used. S-126
   */
  createSetup(by?: AuditContext): Promise<OneTimeLink | undefined>;
  /** Whether there would be one. */
  isSetupNeeded(): Promise<boolean>;
  /**
   * For somebody to choose a password; voids earlier ones. With the generation of a sign-in only while that sign-in counts.
   * @throws AppError not_found, when there is no such active account
   */
  createInvitation(userId: string, by?: AuditContext, signedIn?: { accessGeneration?: number }): Promise<OneTimeLink>;
  /** Looking spends nothing. */
  find(token: string): Promise<{ purpose: Purpose; account?: Account } | undefined>;
  /** A refusal or conflict does not spend the link. @throws AppError unavailable, when too many passwords are being hashed */
  completeSetup(token: string, input: SetupInput, by: AuditContext): Promise<SetupOutcome>;
  /** Sets the password and ends every session, grant and token of the account. */
  completeSetPassword(token: string, input: { password: string }, by: AuditContext): Promise<SetPasswordOutcome>;
}

export interface OneTimeLinksOptions {
  database: Pick<Database, 'pool' | 'prisma'>;
  audit: Pick<Audit, 'in' | 'prepare'>;
  passwords: Pick<Passwords, 'check' | 'hash'>;
  notify: Notify;
  endAccess(tx: Transaction, accountId: string): Promise<{ sessions: string[] }>;
}

/** Links that work once: digests are kept, and spending one is a condition inside the transaction of what it is for. */
export function createOneTimeLinks(options: OneTimeLinksOptions): OneTimeLinks {
  const { database, audit, passwords, notify, endAccess } = options;
  const { pool, prisma } = database;

  /** Checked before anything dear: a stranger's token must not cost a hash. */
  async function open(text: string, purpose: Purpose): Promise<{ token: OneTimeToken; account?: Account } | undefined> {
    const token = parseOneTimeToken(text);
    const link = token && (await readLink(prisma, token));
    return link?.purpose === purpose ? { token: token!, account: link.account } : undefined;
  }

  return {
    async createSetup(by = { actor: 'system' }) {
      const event = audit.prepare.setupLinkCreated({}, by);
      const options = { lifetime: SETUP_LIFETIME, keep: SETUP_LINKS - 1, record: event.row };
      const link = await createSetupLink(pool, options);
      if (link) event.stored();
      return link;
    },

    isSetupNeeded: () => isVacant(pool),

    createInvitation: (userId, by = {}, { accessGeneration } = {}) =>
      prisma.$transaction(async (tx) => {
        const locked = isAccountId(userId) ? await lockAccount(tx, userId) : undefined;
        const counts = accessGeneration === undefined || accessGeneration === locked?.accessGeneration;
        if (locked?.state !== 'active' || !counts) throw notFound('There is no such active account.');
        const link = await replaceLinks(tx, { purpose: 'set_password', userId, lifetime: INVITATION_LIFETIME });
        await audit.in(tx).invitationCreated({ userId }, by);
        return link;
      }),

    async find(text) {
      const token = parseOneTimeToken(text);
      return token && readLink(prisma, token);
    },

    async completeSetup(text, input, by) {
      const link = await open(text, 'setup');
      if (!link) return { kind: 'spent' };
      const prepared = await prepareAccount({ ...input, isAdministrator: true }, passwords);
      if (prepared.kind === 'refused') return prepared;
      return unlessConflict(() =>
        prisma.$transaction(async (tx): Promise<SetupOutcome> => {
          await lockAdministratorCreation(tx);
          if (await administratorExists(tx)) return { kind: 'spent' };
          if (!(await consumeLink(tx, link.token, 'setup'))) return { kind: 'spent' };
          await voidLinks(tx, { purpose: 'setup' });
          const account = await writeAccount(tx, prepared);
          await audit.in(tx).userCreated({ userId: account.id, isAdministrator: true }, by);
          await audit.in(tx).administratorCreated({ userId: account.id, how: 'setup' }, by);
          return { kind: 'created', account };
        }),
      );
    },

    async completeSetPassword(text, { password }, by) {
      const link = await open(text, 'set_password');
      if (!link?.account) return { kind: 'spent' };
      const { id, userName, email, name } = link.account;
      const problem = await passwords.check(password, { userName, email: email?.address, name });
      if (problem) return { kind: 'refused', ...problem };
      const hashed = await passwords.hash(password);
      // Ending access locks sessions, grants and tokens that requests under way lock too.
      return retryConflicts(() =>
        prisma.$transaction(async (tx): Promise<SetPasswordOutcome> => {
          const locked = await lockAccount(tx, id);
          if (locked?.state !== 'active') return { kind: 'spent' };
          if (!(await consumeLink(tx, link.token, 'set_password'))) return { kind: 'spent' };
          await setPassword(tx, id, hashed);
          await forgetFailures(tx, id);
          await endSessionsOf(tx, id);
          await endAccess(tx, id);
          await audit.in(tx).passwordChanged({ userId: id, how: 'invitation' }, by);
          const account = (await readAccount(tx, id))!;
          await notify(tx, account, 'password_changed', { by });
          return { kind: 'changed', account };
        }),
      );
    },
  };
}
