import type { Pool } from 'pg';
import { v7 as uuidv7 } from 'uuid';
import type { Transaction } from '../audit/audit.ts';
import type { Prisma } from '../generated/prisma/client.ts';
import { preparedStatement } from '../platform/database/prepared-statement.ts';
import { createStatementBatch } from '../platform/database/statement-batch.ts';
import { waitForLocks } from '../platform/database/wait-for-locks.ts';
import type { Account, AccountState, StoredAccount } from './account.ts';
import type { EmailAddress } from './email-address.ts';
import type { Login } from './login.ts';
import type { Profile } from './profile.ts';
import type { UserName } from './user-name.ts';

/** Serialises everything that may make the first administrator. */
export const ADMINISTRATOR_LOCK = 7_238_001;

export interface AccountRow {
  id: string;
  userName: string | null;
  name: string | null;
  givenName: string | null;
  familyName: string | null;
  picture: string | null;
  locale: string | null;
  zoneinfo: string | null;
  isAdministrator: boolean;
  state: AccountState;
  updatedAt: Date;
  accessGeneration: number;
  address: string | null;
  isVerified: boolean;
}

/** Of `users u` and its primary `email_addresses e`. */
export const ACCOUNT_COLUMNS = `u.id, u.user_name AS "userName", u.name, u.given_name AS "givenName", u.family_name AS "familyName",
  u.picture, u.locale, u.zoneinfo, u.is_administrator AS "isAdministrator", u.state::text AS state, u.updated_at AS "updatedAt",
  u.access_generation AS "accessGeneration", e.address, e.verified_at IS NOT NULL AS "isVerified"`;

/** Accounts, to be narrowed down by `WHERE`. */
export const ACCOUNTS = `SELECT ${ACCOUNT_COLUMNS} FROM users u LEFT JOIN email_addresses e ON e.primary_of = u.id`;

/** The id behind a login: $1 a user name's key, $2 an address's key, one of them null. */
export const ID_BY_LOGIN = `(SELECT id FROM users WHERE user_name_key = $1
  UNION ALL SELECT user_id FROM email_addresses WHERE address_key = $2 LIMIT 1)`;

export function accountOf(row: Omit<AccountRow, 'accessGeneration'>): Account {
  const { id, isAdministrator, state, updatedAt, address, isVerified } = row;
  const { userName, name, givenName, familyName, picture, locale, zoneinfo } = row;
  const known = Object.entries({ userName, name, givenName, familyName, picture, locale, zoneinfo });
  return {
    id,
    ...Object.fromEntries(known.filter(([, value]) => value !== null)),
    ...(address !== null && { email: { address, verified: isVerified } }),
    isAdministrator,
    state,
    updatedAt,
  };
}

export function storedAccountOf(row: AccountRow): StoredAccount {
  return { ...accountOf(row), accessGeneration: row.accessGeneration };
}

/** The hot look-ups: prepared, and those of one moment in one statement. */
export function createAccountFinder(pool: Pool) {
  const findByIds = preparedStatement<AccountRow>(pool, 'accounts.find', `${ACCOUNTS} WHERE u.id = ANY ($1::uuid[])`);
  const findByLogin = preparedStatement<AccountRow>(
    pool,
    'accounts.find_by_login',
    `${ACCOUNTS} WHERE u.id = ${ID_BY_LOGIN}`,
  );
  const find = createStatementBatch<string, StoredAccount | undefined>({
    async send(ids) {
      const rows = await findByIds([[...new Set(ids)]]);
      const accounts = new Map(rows.map((row) => [row.id, storedAccountOf(row)]));
      return ids.map((id) => accounts.get(id));
    },
  });
  return {
    find,
    async findByLogin({ userNameKey, addressKey }: Login): Promise<Account | undefined> {
      const [row] = await findByLogin([userNameKey ?? null, addressKey ?? null]);
      return row && accountOf(row);
    },
  };
}

const withPrimaryAddress = { emailAddresses: { where: { primaryOf: { not: null } } } } as const;

type UserWithAddress = Prisma.UserGetPayload<{ include: typeof withPrimaryAddress }>;

function accountOfUser({ emailAddresses: [primary], ...user }: UserWithAddress): Account {
  const isVerified = primary?.verifiedAt != null;
  return accountOf({ ...user, address: primary?.address ?? null, isVerified });
}

export async function readAccount(tx: Transaction, id: string): Promise<Account | undefined> {
  const user = await tx.user.findUnique({ where: { id }, include: withPrimaryAddress });
  return user ? accountOfUser(user) : undefined;
}

export async function readStoredAccount(tx: Transaction, id: string): Promise<StoredAccount | undefined> {
  const user = await tx.user.findUnique({ where: { id }, include: withPrimaryAddress });
  return user ? { ...accountOfUser(user), accessGeneration: user.accessGeneration } : undefined;
}

/** Those who may be asked to look after something, the oldest first. */
export async function readAdministrators(tx: Transaction, limit: number): Promise<Account[]> {
  const users = await tx.user.findMany({
    where: { isAdministrator: true, state: 'active' },
    include: withPrimaryAddress,
    orderBy: [{ createdAt: 'asc' }, { id: 'asc' }],
    take: limit,
  });
  return users.map(accountOfUser);
}

/** Oldest first, without the deleted. `after` is the id of the last one seen; ids of people stay for ever. */
export async function readAccounts(
  tx: Transaction,
  { after, limit }: { after?: string; limit: number },
): Promise<Account[]> {
  const users = await tx.user.findMany({
    where: { state: { not: 'deleted' } },
    include: withPrimaryAddress,
    orderBy: [{ createdAt: 'asc' }, { id: 'asc' }],
    take: limit,
    ...(after !== undefined && { cursor: { id: after }, skip: 1 }),
  });
  return users.map(accountOfUser);
}

export interface AccountRecord {
  userName?: UserName;
  email?: EmailAddress & { verified: boolean };
  profile: Profile;
  isAdministrator: boolean;
}

/** Inserts, or says what is taken: the transaction must then not be committed. */
export async function insertAccount(
  tx: Transaction,
  { userName, email, profile, isAdministrator }: AccountRecord,
): Promise<{ kind: 'inserted'; id: string } | { kind: 'conflict'; field: 'userName' | 'email' }> {
  const id = uuidv7();
  const user = { id, userName: userName?.text, userNameKey: userName?.key, ...profile, isAdministrator };
  const { count } = await tx.user.createMany({ data: [user], skipDuplicates: true });
  if (count === 0) return { kind: 'conflict', field: 'userName' };
  if (email && !(await insertPrimaryAddress(tx, id, email))) return { kind: 'conflict', field: 'email' };
  return { kind: 'inserted', id };
}

async function insertPrimaryAddress(
  tx: Transaction,
  userId: string,
  { address, key, verified }: EmailAddress & { verified: boolean },
): Promise<boolean> {
  const verifiedAt = verified ? new Date() : null;
  const row = { id: uuidv7(), userId, address, addressKey: key, primaryOf: userId, verifiedAt };
  const { count } = await tx.emailAddress.createMany({ data: [row], skipDuplicates: true });
  return count === 1;
}

/** Whoever else makes or looks for the first administrator waits until this transaction ends. S-126 */
export async function lockAdministratorCreation(tx: Transaction): Promise<void> {
  await waitForLocks(tx);
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(${ADMINISTRATOR_LOCK}::bigint)`;
}

export async function administratorExists(tx: Pick<Transaction, 'user'>): Promise<boolean> {
  return (await tx.user.count({ where: { isAdministrator: true, state: { not: 'deleted' } }, take: 1 })) > 0;
}

/**
 * Locks this person and every active administrator, always in the same order, so that two transactions cannot each rely on the
 * administrator whom the other one removes.
 */
export async function lockAccount(
  tx: Transaction,
  id: string,
): Promise<{ state: AccountState; accessGeneration: number; isLastAdministrator: boolean } | undefined> {
  await waitForLocks(tx);
  const rows = await tx.$queryRaw<
    { id: string; state: AccountState; accessGeneration: number; isAdministrator: boolean }[]
  >`
    SELECT id, state::text AS state, access_generation AS "accessGeneration", is_administrator AS "isAdministrator"
    FROM users
    WHERE id = ${id}::uuid OR (is_administrator AND state = 'active') ORDER BY id FOR NO KEY UPDATE`;
  const account = rows.find((row) => row.id === id);
  if (!account || account.state === 'deleted') return undefined;
  const administrators = rows.filter(({ isAdministrator, state }) => isAdministrator && state === 'active');
  const isLastAdministrator = administrators.length === 1 && administrators[0]?.id === id;
  return { state: account.state, accessGeneration: account.accessGeneration, isLastAdministrator };
}

/** Locks this person alone: for what cannot take an administrator away. The person's row before all that hangs on it, as everywhere. */
export async function lockPerson(
  tx: Transaction,
  id: string,
): Promise<{ state: AccountState; accessGeneration: number } | undefined> {
  await waitForLocks(tx);
  const [row] = await tx.$queryRaw<{ state: AccountState; accessGeneration: number }[]>`
    SELECT state::text AS state, access_generation AS "accessGeneration" FROM users
    WHERE id = ${id}::uuid AND state <> 'deleted' FOR NO KEY UPDATE`;
  return row;
}

export async function setState(tx: Transaction, id: string, state: 'active' | 'disabled'): Promise<void> {
  await tx.user.update({ where: { id }, data: { state, disabledAt: state === 'disabled' ? new Date() : null } });
}

/** Removes all that is personal. The id stays, so that it is never anybody else's. S-084 */
export async function eraseAccount(tx: Transaction, id: string): Promise<void> {
  const ofUser = { where: { userId: id } };
  await tx.emailAddress.deleteMany(ofUser);
  await tx.passwordCredential.deleteMany(ofUser);
  await tx.knownDevice.deleteMany(ofUser);
  await tx.signInThrottle.deleteMany(ofUser);
  await tx.oneTimeLink.deleteMany(ofUser);
  await tx.userSession.deleteMany(ofUser);
  await tx.consent.deleteMany(ofUser);
  await tx.federatedIdentity.deleteMany(ofUser);
  await tx.pendingLink.deleteMany(ofUser);
  const nothing = { userName: null, userNameKey: null, name: null, givenName: null, familyName: null };
  await tx.user.update({
    where: { id },
    data: {
      ...nothing,
      picture: null,
      locale: null,
      zoneinfo: null,
      isAdministrator: false,
      state: 'deleted',
      deletedAt: new Date(),
    },
  });
}
