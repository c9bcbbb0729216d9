import { v7 as uuidv7 } from 'uuid';
import { Prisma } from '../generated/prisma/client.ts';
import type { Access, ApiKey, Owner, OwnerKind } from './api-key.ts';
import type { ApiKeyText } from './api-key-value.ts';
import { digestOfApiKey, hintOfApiKey } from './api-key-value.ts';

export type Transaction = Prisma.TransactionClient;

/** Everything below works for whom the transaction says (`platform/database/as-subject.ts`): others' rows are not there. */
interface Row {
  id: string;
  ownerKind: OwnerKind;
  ownerId: string | null;
  digest: Uint8Array;
  prefix: string;
  hint: string;
  name: string;
  description: string | null;
  access: Access;
  allowedAddresses: string[];
  createdAt: Date;
  createdBy: string | null;
  expiresAt: Date | null;
  isExpired: boolean;
  lastUsedAt: Date | null;
  replaces: string | null;
  rotatedTo: string | null;
  revokedAt: Date | null;
  revokedBy: string | null;
  revocationReason: string | null;
}

/** A key with what caches know it by. */
export interface StoredApiKey {
  apiKey: ApiKey;
  digest: string;
}

/** The database's clock decides what has expired. */
const COLUMNS = Prisma.sql`id, owner_kind::text AS "ownerKind", COALESCE(user_id, service_account_id) AS "ownerId", digest, prefix, hint,
  name, description, access, allowed_addresses AS "allowedAddresses", created_at AS "createdAt", created_by AS "createdBy",
  expires_at AS "expiresAt", COALESCE(expires_at <= now(), false) AS "isExpired", last_used_at AS "lastUsedAt", replaces,
  rotated_to AS "rotatedTo", revoked_at AS "revokedAt", revoked_by AS "revokedBy", revocation_reason AS "revocationReason"`;

const IS_ALIVE = Prisma.sql`revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())`;

/** The first of the two numbers that name a lock: owners of keys. */
const OWNER_LOCK = 7_238_002;

/**
 * One change of an owner's keys at a time, so that counting them and making one is one step. Until the end of the transaction. Before
 * the owner is read, and before any row of their keys is locked: whoever deletes a person locks them first and then their keys.
 */
export async function lockOwner(tx: Transaction, owner: Owner): Promise<void> {
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(${OWNER_LOCK}::int, hashtext(${ownerIdOf(owner) ?? 'system'}))`;
  if (owner.kind === 'user') await tx.$queryRaw`SELECT 1 FROM users WHERE id = ${owner.id}::uuid FOR SHARE`;
}

/** Keys that work: those without a successor yet, and with those that have one. */
export async function countLiveKeys(tx: Transaction, owner: Owner): Promise<{ live: number; working: number }> {
  const [row] = await tx.$queryRaw<{ live: number; working: number }[]>`SELECT count(*)::int AS working,
      count(*) FILTER (WHERE rotated_to IS NULL)::int AS live FROM api_keys WHERE ${ownedBy(owner)} AND ${IS_ALIVE}`;
  return row!;
}

export interface ApiKeyRecord {
  owner: Owner;
  value: ApiKeyText;
  prefix: string;
  name: string;
  description?: string | undefined;
  access: Access;
  allowedAddresses: string[];
  /** Null: never. */
  expiresAt: Date | null;
  createdBy?: string | undefined;
  replaces?: string | undefined;
}

export async function insertApiKey(tx: Transaction, record: ApiKeyRecord, id = newApiKeyId()): Promise<ApiKey> {
  const { owner, value, access, description = null, createdBy = null, replaces = null, ...columns } = record;
  const { prefix, name, allowedAddresses, expiresAt } = columns;
  const rows = await tx.$queryRaw<
    Row[]
  >`INSERT INTO api_keys (id, owner_kind, user_id, service_account_id, digest, prefix, hint, name,
      description, access, allowed_addresses, expires_at, created_by, replaces)
    VALUES (${id}::uuid, ${owner.kind}::api_key_owner_kind, ${owner.kind === 'user' ? owner.id : null}::uuid,
      ${owner.kind === 'service_account' ? owner.id : null}::uuid, ${new Uint8Array(digestOfApiKey(value))}, ${prefix},
      ${hintOfApiKey(value)}, ${name}, ${description}, ${JSON.stringify(access)}::jsonb, ${allowedAddresses}::text[],
      ${expiresAt}::timestamptz, ${createdBy}, ${replaces}::uuid)
    RETURNING ${COLUMNS}`;
  return apiKeyOf(rows[0]!);
}

export function newApiKeyId(): string {
  return uuidv7();
}

export async function readApiKey(tx: Transaction, id: string): Promise<ApiKey | undefined> {
  const [row] = await tx.$queryRaw<Row[]>`SELECT ${COLUMNS} FROM api_keys WHERE id = ${id}::uuid`;
  return row && apiKeyOf(row);
}

/** Reads one that is about to change; whoever changes it too waits. */
export async function lockApiKey(tx: Transaction, id: string): Promise<StoredApiKey | undefined> {
  const [row] = await tx.$queryRaw<Row[]>`SELECT ${COLUMNS} FROM api_keys WHERE id = ${id}::uuid FOR NO KEY UPDATE`;
  return row && storedOf(row);
}

/** Newest first: ids are in the order of their making. `subject`: whose they are, of whichever kind. */
export async function readApiKeys(
  tx: Transaction,
  page: { owner?: Owner | undefined; subject?: string | undefined; after?: string | undefined; limit: number },
): Promise<ApiKey[]> {
  const { owner, subject, after, limit } = page;
  // The policies would leave others' out as well, after having read them all.
  const ofSubject = Prisma.sql`(user_id = ${subject ?? null}::uuid OR service_account_id = ${subject ?? null}::uuid)`;
  const ofOwner = owner ? ownedBy(owner) : subject === undefined ? Prisma.sql`true` : ofSubject;
  const older = after === undefined ? Prisma.sql`true` : Prisma.sql`id < ${after}::uuid`;
  const rows = await tx.$queryRaw<Row[]>`SELECT ${COLUMNS} FROM api_keys WHERE ${ofOwner} AND ${older}
    ORDER BY id DESC LIMIT ${limit}::int`;
  return rows.map(apiKeyOf);
}

export interface ApiKeyColumns {
  name: string;
  description: string | null;
  access: Access;
  allowedAddresses: string[];
  expiresAt: Date | null;
}

export async function updateApiKey(tx: Transaction, id: string, columns: ApiKeyColumns): Promise<ApiKey> {
  const { name, description, access, allowedAddresses, expiresAt } = columns;
  const rows = await tx.$queryRaw<Row[]>`UPDATE api_keys SET name = ${name}, description = ${description},
      access = ${JSON.stringify(access)}::jsonb, allowed_addresses = ${allowedAddresses}::text[], expires_at = ${expiresAt}::timestamptz
    WHERE id = ${id}::uuid RETURNING ${COLUMNS}`;
  return apiKeyOf(rows[0]!);
}

/** Ends a key after the overlap, unless it ends before by itself; only once, and only one that works. Undefined: somebody was faster. */
export async function retireApiKey(
  tx: Transaction,
  id: string,
  { rotatedTo, overlapSeconds }: { rotatedTo: string; overlapSeconds: number },
): Promise<StoredApiKey | undefined> {
  const [row] = await tx.$queryRaw<Row[]>`UPDATE api_keys SET rotated_to = ${rotatedTo}::uuid,
      expires_at = LEAST(expires_at, now() + make_interval(secs => ${overlapSeconds}::int))
    WHERE id = ${id}::uuid AND rotated_to IS NULL AND ${IS_ALIVE} RETURNING ${COLUMNS}`;
  return row && storedOf(row);
}

interface Revocation {
  by?: string | undefined;
  reason?: string | undefined;
}

/** Once: undefined when it is revoked already, or nobody's. */
export function revokeApiKey(tx: Transaction, id: string, revocation: Revocation): Promise<StoredApiKey | undefined> {
  return revokeWhere(tx, Prisma.sql`id = ${id}::uuid`, revocation).then(([first]) => first);
}

export function revokeApiKeyByDigest(
  tx: Transaction,
  digest: Buffer,
  revocation: Revocation,
): Promise<StoredApiKey | undefined> {
  const bytes = new Uint8Array(digest);
  return revokeWhere(tx, Prisma.sql`digest = ${bytes}`, revocation).then(([first]) => first);
}

export function revokeApiKeysOf(tx: Transaction, owner: Owner, revocation: Revocation): Promise<StoredApiKey[]> {
  return revokeWhere(tx, ownedBy(owner), revocation);
}

async function revokeWhere(tx: Transaction, condition: Prisma.Sql, revocation: Revocation): Promise<StoredApiKey[]> {
  const [by, reason] = [revocation.by ?? null, revocation.reason ?? null];
  const rows = await tx.$queryRaw<
    Row[]
  >`UPDATE api_keys SET revoked_at = now(), revoked_by = ${by}, revocation_reason = ${reason}
    WHERE ${condition} AND revoked_at IS NULL RETURNING ${COLUMNS}`;
  return rows.map(storedOf);
}

/** Of a service account that is active; undefined otherwise. */
export async function readServiceAccountAccess(tx: Transaction, id: string): Promise<Access | undefined> {
  const [row] = await tx.$queryRaw<{ access: Access }[]>`SELECT access FROM service_accounts
    WHERE id = ${id}::uuid AND state = 'active'`;
  return row?.access;
}

function ownedBy(owner: Owner): Prisma.Sql {
  switch (owner.kind) {
    case 'user':
      return Prisma.sql`user_id = ${owner.id}::uuid`;
    case 'service_account':
      return Prisma.sql`service_account_id = ${owner.id}::uuid`;
    case 'system':
      return Prisma.sql`owner_kind = 'system'`;
  }
}

export function ownerIdOf(owner: Owner): string | undefined {
  return owner.kind === 'system' ? undefined : owner.id;
}

export function ownerOf(kind: OwnerKind, id: string | null): Owner {
  return kind === 'system' ? { kind } : { kind, id: id! };
}

function storedOf(row: Row): StoredApiKey {
  return { apiKey: apiKeyOf(row), digest: Buffer.from(row.digest).toString('hex') };
}

function apiKeyOf({ ownerKind, ownerId, isExpired, digest: _, ...row }: Row): ApiKey {
  const known = Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null));
  const status = row.revokedAt ? 'revoked' : isExpired ? 'expired' : 'active';
  return { ...(known as unknown as ApiKey), owner: ownerOf(ownerKind, ownerId), status };
}
