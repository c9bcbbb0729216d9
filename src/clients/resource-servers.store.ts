import type { Pool } from 'pg';
import type { Prisma } from '../generated/prisma/client.ts';
import type { Transaction } from './clients.store.ts';
import type { ResourceServer } from './resource-server.ts';

/** There are tens of them, so the copy in memory is of all. */
const READ_ALL = `SELECT identifier, name, scopes, access_token_format::text AS "accessTokenFormat",
    access_token_lifetime AS "accessTokenLifetime", signing_algorithm AS "signingAlgorithm"
  FROM resource_servers ORDER BY identifier`;

type Row = { [K in keyof ResourceServer]-?: Exclude<ResourceServer[K], undefined> | null };

export async function readResourceServers(pool: Pool): Promise<ResourceServer[]> {
  const { rows } = await pool.query<Row>(READ_ALL);
  return rows.map((row) => withoutNulls(row) as unknown as ResourceServer);
}

/** Reads one that is about to change; whoever changes it too waits. */
export async function lockResourceServer(tx: Transaction, identifier: string): Promise<ResourceServer | undefined> {
  await tx.$queryRaw`SELECT identifier FROM resource_servers WHERE identifier = ${identifier} FOR NO KEY UPDATE`;
  const row = await tx.resourceServer.findUnique({
    where: { identifier },
    omit: { createdAt: true, updatedAt: true },
  });
  return row ? (withoutNulls(row) as unknown as ResourceServer) : undefined;
}

/** One registration at a time, so that two spellings of one identifier cannot slip in together. */
export async function lockRegistrations(tx: Transaction): Promise<string[]> {
  await tx.$executeRaw`LOCK TABLE resource_servers IN SHARE ROW EXCLUSIVE MODE`;
  const rows = await tx.resourceServer.findMany({ select: { identifier: true } });
  return rows.map(({ identifier }) => identifier);
}

export async function insertResourceServer(tx: Transaction, resourceServer: ResourceServer): Promise<void> {
  await tx.resourceServer.create({ data: columnsOf(resourceServer) });
}

export async function updateResourceServer(tx: Transaction, resourceServer: ResourceServer): Promise<void> {
  const { identifier, ...columns } = columnsOf(resourceServer);
  await tx.resourceServer.update({ where: { identifier }, data: columns });
}

function columnsOf(resourceServer: ResourceServer): Prisma.ResourceServerCreateInput {
  const { accessTokenLifetime = null, signingAlgorithm = null, ...columns } = resourceServer;
  return { ...columns, accessTokenLifetime, signingAlgorithm };
}

function withoutNulls(row: object): object {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null));
}
