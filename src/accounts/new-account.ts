import type { Transaction } from '../audit/audit.ts';
import type { Account } from './account.ts';
import { type AccountRecord, insertAccount, readAccount } from './accounts.store.ts';
import { parseEmailAddress } from './email-address.ts';
import { setPassword } from './password-credentials.store.ts';
import type { Passwords, StoredPassword } from './passwords.ts';
import { type Profile, parseProfile } from './profile.ts';
import { type Refusal, refusal } from './refusal.ts';
import { parseUserName } from './user-name.ts';

/** Somebody to be. At least one of `userName` and `email` is needed: people sign in with them. */
export interface NewAccount extends Profile {
  userName?: string;
  email?: string;
  /** Only when the address was proven by somebody we trust. S-085 */
  emailVerified?: boolean;
  isAdministrator?: boolean;
  password?: string;
}

export type Conflict = { kind: 'conflict'; field: 'userName' | 'email' };
export type Refused = { kind: 'refused' } & Refusal & { count?: number };
export interface PreparedAccount {
  kind: 'prepared';
  record: AccountRecord;
  password?: StoredPassword;
}

/**
 * Everything that can be refused or takes long, before a transaction begins.
 * @throws AppError unavailable, when too many passwords are being hashed
 */
export async function prepareAccount(
  input: NewAccount,
  passwords: Pick<Passwords, 'check' | 'hash'>,
): Promise<PreparedAccount | Refused> {
  const parsed = parseAccount(input);
  if (parsed.kind === 'refused' || input.password === undefined) return parsed;
  const { userName, email, profile } = parsed.record;
  const owner = { userName: userName?.text, email: email?.address, name: profile.name };
  const problem = await passwords.check(input.password, owner);
  if (problem) return { kind: 'refused', ...problem };
  return { ...parsed, password: await passwords.hash(input.password) };
}

function parseAccount(input: NewAccount): PreparedAccount | Refused {
  const userName = input.userName?.trim() ? parseUserName(input.userName) : undefined;
  if (userName?.kind === 'refused') return { kind: 'refused', ...userName.refusal };
  const email = input.email?.trim() ? parseEmailAddress(input.email) : undefined;
  if (email?.kind === 'refused') return { kind: 'refused', ...email.refusal };
  const parsed = parseProfile(input);
  if (parsed.kind === 'refused') return { kind: 'refused', ...parsed.refusal };
  if (!userName && !email) return { kind: 'refused', ...refusal('userName', 'missing') };
  return {
    kind: 'prepared',
    record: {
      ...(userName && { userName: userName.userName }),
      ...(email && { email: { ...email.email, verified: input.emailVerified === true } }),
      profile: parsed.profile,
      isAdministrator: input.isAdministrator === true,
    },
  };
}

/** Ends the transaction without a trace, to become an outcome outside it. */
class ConflictError extends Error {
  readonly field: Conflict['field'];

  constructor(field: Conflict['field']) {
    super(`${field} is taken`);
    this.name = 'AccountConflictError';
    this.field = field;
  }
}

/** @throws ConflictError, to be caught by `unlessConflict` around the transaction */
export async function writeAccount(tx: Transaction, { record, password }: PreparedAccount): Promise<Account> {
  const inserted = await insertAccount(tx, record);
  if (inserted.kind === 'conflict') throw new ConflictError(inserted.field);
  if (password) await setPassword(tx, inserted.id, password);
  return (await readAccount(tx, inserted.id))!;
}

export async function unlessConflict<T>(attempt: () => Promise<T>): Promise<T | Conflict> {
  try {
    return await attempt();
  } catch (error) {
    if ((error as Error | undefined)?.name !== 'AccountConflictError') throw error;
    return { kind: 'conflict', field: (error as ConflictError).field };
  }
}
