import type { Audit, AuditContext, Transaction } from '../audit/audit.ts';
import type { Database } from '../platform/database/database.ts';
import { retryConflicts } from '../platform/database/statement-batch.ts';
import { isAccountId, type StoredAccount } from './account.ts';
import { lockPerson, readStoredAccount } from './accounts.store.ts';
import { insertIdentity } from './federated-identities.store.ts';
import { type FederatedIdentity, type ParsedIdentity, parseFederatedIdentity } from './federated-identity.ts';
import { fillProfile } from './federated-profile.ts';
import type { Notify } from './notifications.ts';
import { generateOneTimeToken, parseOneTimeToken } from './one-time-token.ts';
import {
  consumePendingLink,
  insertPendingLink,
  type LinkKey,
  type PendingLink,
  readPendingLink,
  verifyAddress,
} from './pending-links.store.ts';
import { createTurns } from './turns.ts';

export type LinkOutcome =
  | { kind: 'linked'; account: StoredAccount; waited?: WaitingTokens }
  /** Used, expired, voided, of another interaction or account. */
  | { kind: 'spent' }
  /** The identity got another owner meanwhile. */
  | { kind: 'taken' }
  | { kind: 'refused'; reason: 'account_disabled' };

/** What waited with the link, as it was given, and whose it is. */
export interface WaitingTokens {
  provider: string;
  subject: string;
  sealedTokens: string;
}

/** Nothing that is shown comes from the account: so far it is only proven that somebody has its address. */
export interface FoundLink {
  provider: string;
  account: {
    id: string;
    /** The address that the upstream proved. People sign in with it. */
    loginName: string;
    /** As the upstream says it. */
    name: string;
    hasPassword: boolean;
  };
}

/** Identities that wait until the owner of an account proves that both are theirs. */
export interface PendingLinks {
  askForProof(input: {
    identity: FederatedIdentity;
    accountId: string;
    interaction: string;
    /** Stored as it is, until the link is completed or void. */
    sealedTokens?: string;
  }): Promise<{ link: string }>;
  findLink(link: string, interaction: string): Promise<FoundLink | undefined>;
  completeLink(input: { link: string; interaction: string; accountId: string }, by: AuditContext): Promise<LinkOutcome>;
}

export interface PendingLinksOptions {
  database: Pick<Database, 'prisma'>;
  audit: Pick<Audit, 'in'>;
  notify: Notify;
  displayName(provider: string): string;
}

export function createPendingLinks({ database, audit, notify, displayName }: PendingLinksOptions): PendingLinks {
  const { prisma } = database;
  const takeTurns = createTurns();

  async function complete(tx: Transaction, key: LinkKey, accountId: string, by: AuditContext): Promise<LinkOutcome> {
    const owner = await lockPerson(tx, accountId);
    const pending = owner && (await consumePendingLink(tx, key, accountId));
    if (!pending) return { kind: 'spent' };
    const failed = { userId: accountId, provider: pending.identity.provider };
    if (owner.state !== 'active') {
      await audit.in(tx).signInFailed({ ...failed, reason: 'account_disabled' }, by);
      return { kind: 'refused', reason: 'account_disabled' };
    }
    if (owner.accessGeneration !== pending.accessGeneration) return { kind: 'spent' };
    const outcome = await link(tx, pending, by);
    const { identity, sealedTokens } = pending;
    if (outcome.kind !== 'linked' || sealedTokens === undefined) return outcome;
    return { ...outcome, waited: { provider: identity.provider, subject: identity.subject, sealedTokens } };
  }

  async function link(tx: Transaction, { userId, identity }: PendingLink, by: AuditContext): Promise<LinkOutcome> {
    const { provider, email } = identity;
    if (!(await insertIdentity(tx, identity, userId))) return ownedAlready(tx, identity, userId, by);
    const addressVerified = await verifyAddress(tx, userId, email.key);
    await fillProfile(tx, userId, identity);
    await audit.in(tx).identityLinked({ userId, provider, addressVerified }, by);
    const account = (await readStoredAccount(tx, userId))!;
    await notify(tx, account, 'identity_linked', { provider: displayName(provider) });
    return { kind: 'linked', account };
  }

  /** The same person may have come twice, in two windows. */
  async function ownedAlready(
    tx: Transaction,
    { provider, subject }: ParsedIdentity,
    userId: string,
    by: AuditContext,
  ): Promise<LinkOutcome> {
    const own = await tx.federatedIdentity.count({ where: { provider, subject, userId } });
    if (own > 0) return { kind: 'linked', account: (await readStoredAccount(tx, userId))! };
    await audit.in(tx).signInFailed({ userId, provider, reason: 'identity_taken' }, by);
    return { kind: 'taken' };
  }

  return {
    async askForProof({ identity, accountId, interaction, sealedTokens }) {
      const link = generateOneTimeToken();
      const parsed = parseFederatedIdentity(identity);
      // Anything else is never linked, whoever asks for it. S-094
      if (parsed?.email?.verified && isAccountId(accountId)) {
        const { email } = parsed;
        await insertPendingLink(prisma, { link, interaction }, { ...parsed, email }, accountId, sealedTokens);
      }
      return { link };
    },

    async findLink(text, interaction) {
      const link = parseOneTimeToken(text);
      const pending = link && (await readPendingLink(prisma, { link, interaction }));
      if (!pending) return undefined;
      const { userId, identity, hasPassword } = pending;
      const loginName = identity.email.address;
      const account = { id: userId, loginName, name: identity.profile.name ?? loginName, hasPassword };
      return { provider: identity.provider, account };
    },

    async completeLink({ link: text, interaction, accountId }, by) {
      const link = parseOneTimeToken(text);
      if (!link || !isAccountId(accountId)) return { kind: 'spent' };
      return takeTurns(accountId, () =>
        retryConflicts(() => prisma.$transaction((tx) => complete(tx, { link, interaction }, accountId, by))),
      );
    },
  };
}
