import type { Pool } from 'pg';
import type { Transaction } from '../audit/audit.ts';
import { preparedStatement } from '../platform/database/prepared-statement.ts';
import { createStatementBatch } from '../platform/database/statement-batch.ts';
import type { AccountState, StoredAccount } from './account.ts';
import { ACCOUNT_COLUMNS, type AccountRow, lockPerson, readStoredAccount, storedAccountOf } from './accounts.store.ts';
import { type ParsedIdentity, SAID_FIELDS, type SaidProfile } from './federated-identity.ts';

type IdentityKey = Pick<ParsedIdentity, 'provider' | 'subject'>;

/** An identity with its owner, and what the provider said of the person last time. */
export interface KnownIdentity {
  account: StoredAccount;
  said: SaidProfile & { address?: string; verified: boolean };
  /** Used in the last minute: need not be written again. */
  isFresh: boolean;
}

interface KnownRow extends AccountRow {
  provider: string;
  subject: string;
  said: SaidRow;
  isFresh: boolean;
}

/** By the provider's subject and by nothing else. S-093 */
const FIND = `SELECT ${ACCOUNT_COLUMNS}, f.provider, f.subject, f.last_used_at > now() - interval '1 minute' AS "isFresh",
    json_build_object('name', f.name, 'givenName', f.given_name, 'familyName', f.family_name, 'picture', f.picture,
      'locale', f.locale, 'email', f.email, 'emailVerified', f.email_verified) AS said
  FROM federated_identities f JOIN users u ON u.id = f.user_id LEFT JOIN email_addresses e ON e.primary_of = u.id
  WHERE (f.provider, f.subject) IN (SELECT * FROM unnest($1::text[], $2::text[]))`;

/** Primary or not, verified or not: an address has one owner. */
const FIND_HOLDER = `SELECT u.id, u.state::text AS state, e.address_key AS "addressKey"
  FROM email_addresses e JOIN users u ON u.id = e.user_id WHERE e.address_key = ANY ($1::text[])`;

interface Holder {
  id: string;
  state: AccountState;
}

/** Look-ups of one moment are one statement, so that a crowd needs one connection. */
export function createFederatedIdentityFinder(pool: Pool) {
  const find = preparedStatement<KnownRow>(pool, 'federation.find', FIND);
  const findHolders = preparedStatement<Holder & { addressKey: string }>(pool, 'federation.find_holder', FIND_HOLDER);
  return {
    find: createStatementBatch<IdentityKey, KnownIdentity | undefined>({
      async send(keys) {
        const rows = await find([keys.map(({ provider }) => provider), keys.map(({ subject }) => subject)]);
        const known = new Map(rows.map((row) => [textOf(row), knownIdentityOf(row)]));
        return keys.map((key) => known.get(textOf(key)));
      },
    }),
    /** Who has the address here. */
    findHolder: createStatementBatch<string, Holder | undefined>({
      async send(keys) {
        const rows = await findHolders([keys]);
        const holders = new Map(rows.map(({ addressKey, id, state }) => [addressKey, { id, state }]));
        return keys.map((key) => holders.get(key));
      },
    }),
  };
}

const textOf = ({ provider, subject }: IdentityKey) => JSON.stringify([provider, subject]);

/** The identity and its owner, unchanged until the transaction ends. Undefined when it has another owner than `ownerId`, or none. */
export async function lockIdentity(
  tx: Transaction,
  { provider, subject }: IdentityKey,
  ownerId: string,
): Promise<Omit<KnownIdentity, 'isFresh'> | undefined> {
  if (!(await lockPerson(tx, ownerId))) return undefined;
  const identity = await tx.federatedIdentity.findUnique({ where: { provider_subject: { provider, subject } } });
  const account = await readStoredAccount(tx, ownerId);
  return account && identity?.userId === ownerId ? { account, said: saidOf(identity) } : undefined;
}

/** False when it has an owner already: one owner each, by the table's key. S-105 */
export async function insertIdentity(
  tx: Transaction,
  { provider, subject, email, profile }: ParsedIdentity,
  userId: string,
): Promise<boolean> {
  const said = { email: email?.address, emailVerified: email?.verified ?? false, ...profile };
  const { count } = await tx.federatedIdentity.createMany({
    data: [{ provider, subject, userId, ...said }],
    skipDuplicates: true,
  });
  return count === 1;
}

/** What the provider does not say any more stays as it was said last. */
export async function keepWhatIsSaid(
  tx: Transaction,
  { provider, subject, email, profile }: ParsedIdentity,
): Promise<void> {
  await tx.federatedIdentity.update({
    where: { provider_subject: { provider, subject } },
    data: { ...profile, ...(email && { email: email.address, emailVerified: email.verified }), lastUsedAt: new Date() },
  });
}

type SaidRow = Record<(typeof SAID_FIELDS)[number] | 'email', string | null> & { emailVerified: boolean };

function saidOf(row: SaidRow): KnownIdentity['said'] {
  const profile: SaidProfile = {};
  for (const field of SAID_FIELDS) if (row[field] !== null) profile[field] = row[field];
  return { ...profile, ...(row.email !== null && { address: row.email }), verified: row.emailVerified };
}

function knownIdentityOf(row: KnownRow): KnownIdentity {
  return { account: storedAccountOf(row), said: saidOf(row.said), isFresh: row.isFresh };
}
