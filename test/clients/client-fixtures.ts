import { createAudit } from '../../src/audit/audit.ts';
import { type Clients, createClients } from '../../src/clients/clients.ts';
import { createResourceServers } from '../../src/clients/resource-servers.ts';
import type { Database } from '../../src/platform/database/database.ts';
import type { TestDatabase } from '../support/database.ts';

export const BY = { actor: 'test' };
export const ISSUER = 'https://id.example.com';

const silent = { info() {}, warn() {}, error() {} };

/** Clients and resource servers over a test database, with a real audit log and a record of whose access was ended. */
export function openClients(
  database: Database,
  { endClientAccess }: { endClientAccess?: Parameters<typeof createClients>[0]['endClientAccess'] } = {},
) {
  const audit = createAudit({ database, logger: silent as never });
  const ended: string[] = [];
  const clients = createClients({
    database,
    audit,
    endClientAccess:
      endClientAccess ??
      (async (_tx, clientId) => {
        ended.push(clientId);
      }),
    // These tests also change rows behind its back; `client-cache.test.ts` is about keeping them.
    cache: { maxAge: 0 },
  });
  return { clients, ended, resourceServers: createResourceServers({ database, audit, issuer: ISSUER }) };
}

export const webMetadata = { redirect_uris: ['https://app.example.com/cb'] };

/** A new confidential client with a secret. */
export async function createWebClient(clients: Clients, more: object = {}): Promise<{ id: string; secret: string }> {
  const outcome = await clients.create({ name: 'Notes', metadata: webMetadata, ...more }, BY);
  if (outcome.kind !== 'created' || !outcome.secret) throw new Error(JSON.stringify(outcome));
  return { id: outcome.client.id, secret: outcome.secret };
}

export async function auditTypesOf(
  database: { prisma: Pick<Database['prisma'], 'auditEvent'> },
  clientId: string,
): Promise<string[]> {
  const rows = await database.prisma.auditEvent.findMany({ where: { clientId }, orderBy: { id: 'asc' } });
  return rows.map(({ type }) => type);
}

/**
 * A second node that runs transactions. The embedded database has one session for all pools, so transactions of two pools would run
 * into each other: there a second node is the same one.
 */
export async function anotherNode(database: TestDatabase): Promise<Database> {
  return database.url ? database.connect() : database;
}
