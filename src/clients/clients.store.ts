import type { Pool } from 'pg';
import { v7 as uuidv7 } from 'uuid';
import type { Prisma } from '../generated/prisma/client.ts';
import { preparedStatement } from '../platform/database/prepared-statement.ts';
import { createStatementBatch } from '../platform/database/statement-batch.ts';
import { waitForLocks } from '../platform/database/wait-for-locks.ts';
import type { ClientDetails, RelyingParty } from './client.ts';
import { isPossibleClientId } from './client-id.ts';
import type { ClientMetadata } from './client-metadata.ts';
import { type ClientSecret, digestOfClientSecret, hintOfClientSecret } from './client-secret.ts';

export type Transaction = Prisma.TransactionClient;

/** What is written of a client; the rest of its row the database keeps by itself. */
export type ClientRecord = Pick<
  RelyingParty,
  'id' | 'name' | 'metadata' | 'isFirstParty' | 'requirePkce' | 'resources'
> & { serviceAccountId?: string | null };

const withSecrets = { secrets: { orderBy: { id: 'desc' } } } as const;

/** Of any number of clients. The database's clock decides which secrets are valid. */
const FIND = `SELECT c.id, c.name, c.metadata, c.is_first_party AS "isFirstParty", c.require_pkce AS "requirePkce",
    c.resources, c.service_account_id AS "serviceAccountId", c.state::text AS state, c.version,
    ARRAY(SELECT s.digest FROM client_secrets s
      WHERE s.client_id = c.id AND (s.expires_at IS NULL OR s.expires_at > now()) ORDER BY s.id DESC) AS "secretDigests"
  FROM clients c WHERE c.id = ANY($1::text[])`;

/**
 * The hot look-up: what is asked at the same moment goes into one prepared statement. It is sent after the last of them
 * asked, so every answer is as fresh as a statement of its own would have been.
 */
export function createClientFinder(pool: Pool): (id: string) => Promise<RelyingParty | undefined> {
  type Row = Omit<RelyingParty, 'serviceAccountId'> & { serviceAccountId: string | null };
  const query = preparedStatement<Row>(pool, 'clients.find', FIND);
  const find = createStatementBatch<string, RelyingParty | undefined>({
    async send(ids) {
      const rows = await query([[...new Set(ids)]]);
      const byId = new Map(rows.map((row) => [row.id, partyOf(row)]));
      return ids.map((id) => byId.get(id));
    },
  });
  return async (id) => (isPossibleClientId(id) ? find(id) : undefined);

  function partyOf({ serviceAccountId, ...row }: Row): RelyingParty {
    return serviceAccountId === null ? row : { ...row, serviceAccountId };
  }
}

export async function readClient(tx: Transaction, id: string): Promise<ClientDetails | undefined> {
  if (!isPossibleClientId(id)) return undefined;
  const row = await tx.client.findUnique({ where: { id }, include: withSecrets });
  return row ? detailsOf(row) : undefined;
}

/**
 * Reads a client that is about to change; whoever changes it too waits, and for longer than a request would: a timer or another
 * command may just be ending what the client had.
 */
export async function lockClient(tx: Transaction, id: string): Promise<ClientDetails | undefined> {
  if (!isPossibleClientId(id)) return undefined;
  await waitForLocks(tx);
  await tx.$queryRaw`SELECT id FROM clients WHERE id = ${id} FOR NO KEY UPDATE`;
  return readClient(tx, id);
}

/** Oldest first. `after` is the id of the last one seen; clients are never removed, so it is always there. */
export async function readClients(
  tx: Transaction,
  { after, limit }: { after?: string; limit: number },
): Promise<ClientDetails[]> {
  const rows = await tx.client.findMany({
    include: withSecrets,
    orderBy: [{ createdAt: 'asc' }, { id: 'asc' }],
    take: limit,
    ...(after ? { cursor: { id: after }, skip: 1 } : {}),
  });
  return rows.map(detailsOf);
}

/** Inserts, unless the id is taken. */
export async function insertClient(tx: Transaction, client: ClientRecord): Promise<boolean> {
  const { count } = await tx.client.createMany({ data: [columnsOf(client)], skipDuplicates: true });
  return count === 1;
}

export async function updateClient(tx: Transaction, { id, ...client }: ClientRecord): Promise<void> {
  const { id: _, ...columns } = columnsOf({ id, ...client });
  await tx.client.update({ where: { id }, data: { ...columns, version: { increment: 1 } } });
}

export async function setClientState(tx: Transaction, id: string, state: 'active' | 'disabled'): Promise<void> {
  await tx.client.update({
    where: { id },
    data: { state, disabledAt: state === 'disabled' ? new Date() : null, version: { increment: 1 } },
  });
}

export async function insertSecret(tx: Transaction, clientId: string, secret: ClientSecret): Promise<void> {
  await tx.clientSecret.create({
    data: {
      id: uuidv7(),
      clientId,
      digest: new Uint8Array(digestOfClientSecret(secret)),
      hint: hintOfClientSecret(secret),
    },
  });
}

/** Lets the newest secret live on for a while and removes every other. */
export async function retireSecrets(tx: Transaction, clientId: string, overlapSeconds: number): Promise<void> {
  await tx.$executeRaw`DELETE FROM client_secrets WHERE client_id = ${clientId} AND id <> ALL (ARRAY(
    SELECT id FROM client_secrets WHERE client_id = ${clientId} ORDER BY id DESC LIMIT 1))`;
  await tx.$executeRaw`UPDATE client_secrets
    SET expires_at = LEAST(expires_at, now() + make_interval(secs => ${overlapSeconds}::int)) WHERE client_id = ${clientId}`;
}

export async function removeSecrets(tx: Transaction, clientId: string): Promise<void> {
  await tx.clientSecret.deleteMany({ where: { clientId } });
}

/** The registered ones among these resource servers, with the names of their scopes. */
export async function readScopesOfResources(tx: Transaction, identifiers: string[]): Promise<Map<string, string[]>> {
  const rows = await tx.resourceServer.findMany({ where: { identifier: { in: identifiers } } });
  return new Map(rows.map((row) => [row.identifier, (row.scopes as { name: string }[]).map(({ name }) => name)]));
}

/** Whether it is there, and not deleted. By a function of the database, because its rows are for administrators (row-level security). */
export async function serviceAccountExists(tx: Transaction, id: string): Promise<boolean> {
  const rows = await tx.$queryRaw<
    unknown[]
  >`SELECT 1 FROM service_accounts_by_id(ARRAY[${id}::uuid]) WHERE state <> 'deleted'`;
  return rows.length > 0;
}

function columnsOf({ metadata, ...columns }: ClientRecord) {
  const { id, name, isFirstParty, requirePkce, resources, serviceAccountId = null } = columns;
  const json = metadata as unknown as Prisma.InputJsonObject;
  return { id, name, metadata: json, isFirstParty, requirePkce, resources, serviceAccountId };
}

function detailsOf(row: Prisma.ClientGetPayload<{ include: typeof withSecrets }>): ClientDetails {
  const { metadata, disabledAt, secrets, serviceAccountId, ...columns } = row;
  return {
    ...columns,
    ...(serviceAccountId ? { serviceAccountId } : {}),
    metadata: metadata as unknown as ClientMetadata,
    ...(disabledAt ? { disabledAt } : {}),
    secrets: secrets.map(({ hint, createdAt, expiresAt }) => ({
      hint,
      createdAt,
      ...(expiresAt ? { expiresAt } : {}),
    })),
  };
}
