import type { Transaction } from '../audit/audit.ts';
import type { StoredAccount } from './account.ts';
import { readStoredAccount } from './accounts.store.ts';
import { type KnownIdentity, keepWhatIsSaid, lockIdentity } from './federated-identities.store.ts';
import { type ParsedIdentity, SAID_FIELDS, type SaidProfile } from './federated-identity.ts';

/** Whether there is nothing to write: said as last time, and not long ago. */
export function isUpToDate({ said, isFresh }: KnownIdentity, { profile, email }: ParsedIdentity): boolean {
  const sameProfile = SAID_FIELDS.every((field) => profile[field] === undefined || profile[field] === said[field]);
  const sameAddress = !email || (email.address === said.address && email.verified === said.verified);
  return isFresh && sameProfile && sameAddress;
}

/**
 * What the account takes over: what the provider says anew, where the account still has what the provider said before. Anything else
 * was changed here, by the person or an administrator, and stays. The address is never among it.
 */
export function changesOf({ account, said }: Omit<KnownIdentity, 'isFresh'>, { profile }: ParsedIdentity): SaidProfile {
  const changes: SaidProfile = {};
  for (const field of SAID_FIELDS) {
    const isNew = profile[field] !== undefined && profile[field] !== said[field];
    if (isNew && account[field] === said[field]) changes[field] = profile[field];
  }
  return changes;
}

/** Undefined when the identity has another owner by now. A disabled owner stays as they are. */
export async function refreshProfile(
  tx: Transaction,
  identity: ParsedIdentity,
  ownerId: string,
): Promise<StoredAccount | undefined> {
  const known = await lockIdentity(tx, identity, ownerId);
  if (known?.account.state !== 'active') return known?.account;
  const changes = changesOf(known, identity);
  if (Object.keys(changes).length > 0) await tx.user.update({ where: { id: ownerId }, data: changes });
  await keepWhatIsSaid(tx, identity);
  return readStoredAccount(tx, ownerId);
}

/** What an account does not know yet, when an identity is linked to it. */
export async function fillProfile(tx: Transaction, ownerId: string, { profile }: ParsedIdentity): Promise<void> {
  const account = await readStoredAccount(tx, ownerId);
  const missing = SAID_FIELDS.filter((field) => profile[field] !== undefined && account?.[field] === undefined);
  if (missing.length === 0) return;
  const data = Object.fromEntries(missing.map((field) => [field, profile[field]]));
  await tx.user.update({ where: { id: ownerId }, data });
}
