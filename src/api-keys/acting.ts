import type { Account } from '../accounts/account.ts';
import { readAccount } from '../accounts/accounts.store.ts';
import type { AuditContext } from '../audit/audit.ts';
import type { Problem } from '../clients/problem.ts';
import type { ActingAs } from '../platform/database/as-subject.ts';
import { isBlockWithin } from '../platform/http/client-address.ts';
import { type Acting, type ApiKey, type Bounds, isId, type Owner } from './api-key.ts';
import { readServiceAccountAccess, type Transaction } from './api-keys.store.ts';
import { type OwnerRights, problemsBeyond } from './rights.ts';

/** Whose key it is, as they are now. */
export interface FoundOwner {
  rights: OwnerRights;
  /** Of a person: to be told. */
  account?: Account;
}

/** As they are now; undefined where keys can neither be made nor used. */
export async function findOwner(tx: Transaction, owner: Owner): Promise<FoundOwner | undefined> {
  if (owner.kind === 'system') return { rights: { kind: 'system', isAdministrator: false } };
  if (owner.kind === 'service_account') {
    const access = await readServiceAccountAccess(tx, owner.id);
    return access && { rights: { kind: 'service_account', isAdministrator: false, access } };
  }
  const account = await readAccount(tx, owner.id);
  if (account?.state !== 'active') return undefined;
  return { rights: { kind: 'user', isAdministrator: account.isAdministrator }, account };
}

export function isOwner(owner: Owner): boolean {
  return owner.kind === 'system' || isId(owner.id);
}

export function mayActFor(acting: Acting, owner: Owner): boolean {
  if (!isOwner(owner)) return false;
  return acting.as === 'administrator' || (owner.kind !== 'system' && owner.id === acting.subject);
}

export function actingAs(acting: Acting): ActingAs {
  return acting.as === 'owner' ? { role: 'owner', subject: acting.subject } : { role: 'administrator' };
}

/** What of a key is more than whoever acts may give away, or take over by its next value. */
export function problemsOfGiving(
  { access, allowedAddresses }: Pick<ApiKey, 'access' | 'allowedAddresses'>,
  { within, addresses = [] }: Bounds,
): Problem[] {
  const problems = problemsBeyond(access, within);
  const isInside = (block: string) => addresses.some((other) => isBlockWithin(block, other));
  if (addresses.length === 0 || (allowedAddresses.length > 0 && allowedAddresses.every(isInside))) return problems;
  return [...problems, { field: 'allowedAddresses', message: 'must be within those of the key that is used' }];
}

/**
 * Whether it may never end, or live longer than others': an administrator has a hand in it. A key or token of one that was given
 * nothing administrative is none.
 */
export function isPrivileged(acting: Acting, { rights }: FoundOwner): boolean {
  return acting.as === 'administrator' || (rights.isAdministrator && !acting.within);
}

export function creatorOf(acting: Acting, by: AuditContext): string | undefined {
  return by.actor ?? (acting.as === 'owner' ? acting.subject : undefined);
}

/** What the audit log says of it. Never the value. */
export function aboutKey({ id, owner, name, hint }: ApiKey) {
  return {
    apiKey: id,
    name,
    hint,
    owner: owner.kind,
    ...(owner.kind === 'user' && { userId: owner.id }),
    ...(owner.kind === 'service_account' && { serviceAccount: owner.id }),
  };
}
