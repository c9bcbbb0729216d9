import type { Audit, AuditContext, Transaction } from '../audit/audit.ts';
import type { Database } from '../platform/database/database.ts';
import { retryConflicts } from '../platform/database/statement-batch.ts';
import { badRequest, unavailable } from '../platform/errors.ts';
import type { StoredAccount } from './account.ts';
import { createFederatedIdentityFinder, type KnownIdentity } from './federated-identities.store.ts';
import { type FederatedIdentity, type ParsedIdentity, parseFederatedIdentity } from './federated-identity.ts';
import { isUpToDate, refreshProfile } from './federated-profile.ts';
import { createLinkedIdentities, type LinkedIdentities } from './linked-identities.ts';
import type { Notify } from './notifications.ts';
import { createCredentialStore } from './password-credentials.store.ts';
import { createPendingLinks, type PendingLinks } from './pending-links.ts';
import { signUp } from './sign-up.ts';
import { createSignUpPolicy, type SignUpOptions, type SignUpRefusal } from './sign-up-policy.ts';
import { createTurns } from './turns.ts';

export type { FederatedIdentity } from './federated-identity.ts';
export type { LinkedIdentity, UnlinkOutcome } from './linked-identities.ts';
export type { FollowedLink, FoundLink, IdentityProof, LinkOutcome } from './pending-links.ts';
export type { SignUpOptions } from './sign-up-policy.ts';

/** Others may win the race to an identity or an address, and lose what they won before it is read: not time and again. */
const ATTEMPTS = 5;

export type FederatedRefusal =
  | SignUpRefusal
  | 'account_disabled'
  | 'email_missing'
  | 'email_not_verified'
  /** Somebody else than the one who has to sign in again. */
  | 'other_account'
  /** A proof of now is wanted, and the account has a password to give it with. */
  | 'password_needed';

/** `account.accessGeneration` belongs to the sign-in: if the account has another one when it is completed, nobody is signed in. */
export type FederatedOutcome =
  | { kind: 'known'; account: StoredAccount }
  | { kind: 'created'; account: StoredAccount }
  | { kind: 'link_required'; accountId: string }
  | { kind: 'refused'; reason: FederatedRefusal };

/** What a sign-in has to be, besides somebody's. */
export interface Demands {
  /** This account has to sign in again: nobody else is signed in, made or offered a link. */
  only?: string;
  /**
   * A proof of now is wanted, and the provider gave none: its word is not enough for somebody who has a password here. Who has none
   * cannot be asked for more than that word. S-016, S-164
   */
  unlessPassword?: boolean;
}

export interface Federation extends PendingLinks, LinkedIdentities {
  /**
   * Who this is here.
   * @throws AppError bad_request, when the subject cannot be one
   */
  signIn(identity: FederatedIdentity, by: AuditContext, demands?: Demands): Promise<FederatedOutcome>;
}

export interface FederationOptions {
  database: Pick<Database, 'pool' | 'prisma'>;
  audit: Pick<Audit, 'in' | 'queue'>;
  signUp: SignUpOptions;
  notify: Notify;
  /** By which people know a provider, for mail. Its name with a capital letter when absent. */
  displayName?(provider: string): string;
  /** Whether this service can ask a provider at all: an identity at any other one lets nobody in. */
  isConfigured(provider: string): boolean;
  /** Ends the person's sessions, grants, codes and tokens inside the transaction. */
  endAccess(tx: Transaction, accountId: string): Promise<{ sessions: string[] }>;
}

/**
 * Sign-in through others. The provider's subject alone says who somebody is; the address only whom to ask for a proof. It never
 * links anything by itself, however often it was verified. S-093, S-094
 */
export function createFederation(options: FederationOptions): Federation {
  const { database, audit, notify, displayName = capitalized } = options;
  const finder = createFederatedIdentityFinder(database.pool);
  const { hasPassword } = createCredentialStore(database.pool);
  const mayStart = createSignUpPolicy(options.signUp);
  const takeTurns = createTurns();

  async function decide(identity: ParsedIdentity, by: AuditContext, demands: Demands): Promise<FederatedOutcome> {
    for (let number = 1; number <= ATTEMPTS; number++) {
      const outcome = await attempt(identity, by, demands);
      if (outcome) return outcome;
    }
    throw unavailable(1);
  }

  /** Undefined when the identity or the address changed hands meanwhile. */
  async function attempt(
    identity: ParsedIdentity,
    by: AuditContext,
    demands: Demands,
  ): Promise<FederatedOutcome | undefined> {
    const known = await finder.find(identity);
    if (known) return enter(known, identity, by, demands);
    const { only } = demands;
    const { provider, email, hostedDomain } = identity;
    const refuse = (reason: FederatedRefusal, userId?: string) => refused({ provider, userId, reason }, by);
    if (!email) return refuse('email_missing');
    if (!email.verified) return refuse('email_not_verified');
    const holder = await finder.findHolder(email.key);
    // Made between the two look-ups, by this same person in another window: then the identity is there by now.
    if (holder && (await finder.find(identity))) return undefined;
    if (only !== undefined && holder?.id !== only) return refuse('other_account');
    if (holder && holder.state !== 'active') return refuse('account_disabled', holder.id);
    if (holder) {
      await audit.queue.identityLinkRequired({ userId: holder.id, provider }, by);
      return { kind: 'link_required', accountId: holder.id };
    }
    const objection = mayStart(email, hostedDomain);
    if (objection) return refuse(objection);
    const account = await takeTurns(email.key, () => signUp({ database, audit }, { ...identity, email }, by));
    return account && { kind: 'created', account };
  }

  /** The owner's state is read with the identity, in one statement or under a lock. S-101 */
  async function enter(
    known: KnownIdentity,
    identity: ParsedIdentity,
    by: AuditContext,
    { only, unlessPassword }: Demands,
  ): Promise<FederatedOutcome | undefined> {
    const { provider } = identity;
    const userId = known.account.id;
    if (only !== undefined && only !== userId) return refused({ provider, userId, reason: 'other_account' }, by);
    const account = isSettled(known, identity) ? known.account : await refresh(identity, userId);
    if (!account) return undefined;
    if (account.state !== 'active') return refused({ provider, userId, reason: 'account_disabled' }, by);
    // Asked after the account was read: a password that comes later counts up the generation that this sign-in has to have.
    if (unlessPassword && (await hasPassword(userId))) {
      return refused({ provider, userId, reason: 'password_needed' }, by);
    }
    await audit.queue.signInSucceeded({ userId, amr: ['fed'], provider }, by);
    return { kind: 'known', account };
  }

  function refresh(identity: ParsedIdentity, userId: string): Promise<StoredAccount | undefined> {
    return retryConflicts(() => database.prisma.$transaction((tx) => refreshProfile(tx, identity, userId)));
  }

  async function refused(
    { userId, ...failure }: { provider: string; userId: string | undefined; reason: FederatedRefusal },
    by: AuditContext,
  ): Promise<FederatedOutcome> {
    await audit.queue.signInFailed({ ...(userId !== undefined && { userId }), ...failure }, by);
    return { kind: 'refused', reason: failure.reason };
  }

  return {
    async signIn(said, by, demands = {}) {
      const identity = parseFederatedIdentity(said);
      if (!identity) throw badRequest('sub', 'The provider did not say who this is.');
      const known = await finder.find(identity);
      const outcome = known && isSettled(known, identity) && (await enter(known, identity, by, demands));
      if (outcome) return outcome;
      return takeTurns(JSON.stringify([identity.provider, identity.subject]), () => decide(identity, by, demands));
    },
    ...createPendingLinks({ database, audit, notify, displayName }),
    ...createLinkedIdentities({ ...options, displayName }),
  };
}

/** Nothing to write: the usual case, and whatever is refused. */
function isSettled(known: KnownIdentity, identity: ParsedIdentity): boolean {
  return known.account.state !== 'active' || isUpToDate(known, identity);
}

function capitalized(provider: string): string {
  return provider.charAt(0).toUpperCase() + provider.slice(1);
}
