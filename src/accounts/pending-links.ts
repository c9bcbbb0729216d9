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
  type IdentityProof,
  insertPendingLink,
  isPendingElsewhere,
  keepForNewPassword,
  type LinkKey,
  type PendingLink,
  proofStands,
  readPendingLink,
  verifyAddress,
} from './pending-links.store.ts';
import { createTurns } from './turns.ts';

export type { IdentityProof } from './pending-links.store.ts';

export type LinkOutcome =
  | { kind: 'linked'; account: StoredAccount; waited?: WaitingTokens }
  /** Used, expired, voided, of another browser, interaction or account. */
  | { kind: 'spent' }
  /** What proved the account is not linked to it any more, or its connection was closed. The link is as it was. */
  | { kind: 'unproven' }
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
  /** Without a password, the providers at which the account can be proven. None when the password does it. */
  provenAt: string[];
}

/** A link as its address says it, and where that was opened. */
export interface FollowedLink {
  link: string;
  interaction: string;
  /** What only this browser has. */
  browser: string;
}

/** Identities that wait until the owner of an account proves that both are theirs. */
export interface PendingLinks {
  askForProof(input: {
    identity: FederatedIdentity;
    accountId: string;
    interaction: string;
    /** Only there the link can be followed. */
    browser: string;
    /** Stored as it is, until the link is completed or void. */
    sealedTokens?: string;
  }): Promise<{ link: string }>;
  findLink(followed: FollowedLink): Promise<FoundLink | undefined>;
  /** Whether one that was not found is good somewhere else: in another browser, or for another interaction. */
  isElsewhere(followed: FollowedLink): Promise<boolean>;
  /** The password that proved the account has to be changed first: the link goes on afterwards, with the new one. */
  keepForNewPassword(input: FollowedLink & { accountId: string }): Promise<void>;
  /** `proof`: by what the account was proven, when it was not by its password; held against what is there now. */
  completeLink(
    input: FollowedLink & { accountId: string; proof?: IdentityProof },
    by: AuditContext,
  ): Promise<LinkOutcome>;
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

  async function complete(
    tx: Transaction,
    key: LinkKey,
    { accountId, proof }: { accountId: string; proof?: IdentityProof },
    by: AuditContext,
  ): Promise<LinkOutcome> {
    const owner = await lockPerson(tx, accountId);
    const pending = owner && (await consumePendingLink(tx, key, accountId, proof));
    if (!pending) return { kind: proof && owner && !(await proofStands(tx, proof, accountId)) ? 'unproven' : 'spent' };
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
    await notify(tx, account, 'identity_linked', { provider: displayName(provider), by });
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
    async askForProof({ identity, accountId, interaction, browser, sealedTokens }) {
      const link = generateOneTimeToken();
      const parsed = parseFederatedIdentity(identity);
      // Anything else is never linked, whoever asks for it. S-094
      if (parsed?.email?.verified && isAccountId(accountId)) {
        const { email } = parsed;
        await insertPendingLink(prisma, { link, interaction, browser }, { ...parsed, email }, accountId, sealedTokens);
      }
      return { link };
    },

    async findLink(followed) {
      const key = keyOf(followed);
      const pending = key && (await readPendingLink(prisma, key));
      if (!pending) return undefined;
      const { userId, identity, hasPassword, connected } = pending;
      const loginName = identity.email.address;
      const account = { id: userId, loginName, name: identity.profile.name ?? loginName, hasPassword };
      return { provider: identity.provider, account, provenAt: hasPassword ? [] : connected };
    },

    async isElsewhere(followed) {
      const key = keyOf(followed);
      return key !== undefined && isPendingElsewhere(prisma, key);
    },

    async keepForNewPassword({ accountId, ...followed }) {
      const key = keyOf(followed);
      if (key && isAccountId(accountId)) await keepForNewPassword(prisma, key, accountId);
    },

    async completeLink({ accountId, proof, ...followed }, by) {
      const key = keyOf(followed);
      if (!key || !isAccountId(accountId)) return { kind: 'spent' };
      const proven = { accountId, ...(proof && { proof }) };
      return takeTurns(accountId, () =>
        retryConflicts(() => prisma.$transaction((tx) => complete(tx, key, proven, by))),
      );
    },
  };
}

function keyOf({ link: text, interaction, browser }: FollowedLink): LinkKey | undefined {
  const link = parseOneTimeToken(text);
  return link && { link, interaction, browser };
}
