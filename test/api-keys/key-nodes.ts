import { afterAll, beforeAll } from '@jest/globals';
import { createNotifications } from '../../src/accounts/notifications.ts';
import type { Access, Acting, Owner } from '../../src/api-keys/api-key.ts';
import { type ApiKeyCheck, createApiKeyCheck } from '../../src/api-keys/api-key-check.ts';
import { type ApiKeys, type ApiKeysOptions, createApiKeys } from '../../src/api-keys/api-keys.ts';
import { createLastUse, type LastUse } from '../../src/api-keys/last-use.ts';
import { ownApi, ownApiIdentifier } from '../../src/api-keys/own-api.ts';
import { createRights } from '../../src/api-keys/rights.ts';
import { createServiceAccounts, type ServiceAccounts } from '../../src/api-keys/service-accounts.ts';
import { createUseWriter } from '../../src/api-keys/upkeep.store.ts';
import { createResourceServers, type ResourceServers } from '../../src/clients/resource-servers.ts';
import { type Accelerator, createInProcessAccelerator } from '../../src/platform/accelerator/accelerator.ts';
import type { Database } from '../../src/platform/database/database.ts';
import { startNode, type TestNode } from '../accounts/node.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';

export const BY = { actor: 'test' };
export const ISSUER = 'https://id.example.com';
export const OWN_API = ownApiIdentifier(ISSUER);
/** A resource server with the scopes `read` and `write`. */
export const NOTES = 'https://notes.example.com/';
export const ADMINISTRATOR: Acting = { as: 'administrator' };

/** Everything that one process has of API keys. */
export interface KeyNode extends TestNode {
  database: Database;
  accelerator: Accelerator;
  resourceServers: ResourceServers;
  apiKeys: ApiKeys;
  apiKeyCheck: ApiKeyCheck;
  serviceAccounts: ServiceAccounts;
  lastUse: LastUse;
  /** What was observed of refused keys. */
  refusals: { cause: string; apiKey?: string }[];
}

export interface KeyNodeOptions
  extends Partial<Pick<ApiKeysOptions, 'perOwner' | 'lifetime' | 'longestLifetime' | 'prefix'>> {
  accelerator?: Accelerator;
  /** Milliseconds that a key is remembered. */
  maxAge?: number;
  /** Between a change and its answer: as long as a key is remembered, unless a test has nobody else to wait for. */
  pause?: (milliseconds: number) => Promise<void>;
}

export function startKeyNode(database: Database, options: KeyNodeOptions = {}): KeyNode {
  const node = startNode(database);
  const { accelerator = createInProcessAccelerator(), maxAge, pause = async () => {}, ...settings } = options;
  const remembering = { pause, ...(maxAge !== undefined && { maxAge }) };
  const { audit } = node;
  const resourceServers = createResourceServers({
    database,
    audit,
    issuer: ISSUER,
    accelerator,
    builtIn: [ownApi(ISSUER)],
  });
  const rights = createRights({ issuer: ISSUER, find: resourceServers.find });
  const lastUse = createLastUse({
    write: createUseWriter(database.pool),
    logger: { warn: () => {} },
    flushInterval: 3_600_000,
  });
  const refusals: KeyNode['refusals'] = [];
  const prefix = settings.prefix ?? 'sk-';
  const apiKeyCheck = createApiKeyCheck({
    pool: database.pool,
    prefix,
    rights,
    accelerator,
    onUse: lastUse.used,
    onRefusal: (refusal) => refusals.push(refusal),
    ...remembering,
  });
  const apiKeys = createApiKeys({
    database,
    audit,
    notify: createNotifications({ mail: node.mailbox, serviceName: 'Daemun' }),
    rights,
    settle: apiKeyCheck.settle,
    perOwner: 20,
    lifetime: 90 * 86_400,
    longestLifetime: 366 * 86_400,
    ...settings,
    prefix,
  });
  return {
    ...node,
    database,
    accelerator,
    resourceServers,
    apiKeys,
    apiKeyCheck,
    serviceAccounts: createServiceAccounts({ database, audit, rights, accelerator, ...remembering }),
    lastUse,
    refusals,
    async close() {
      await lastUse.close();
      await node.close();
    },
  };
}

export interface KeyNodes {
  database: TestDatabase;
  node: KeyNode;
  /** Another process on the same data that hears nothing of the first. */
  otherNode: KeyNode;
}

/** Opens a database with two nodes and a resource server before the tests of this file, and closes everything after them. */
export function useKeyNodes(hand: (nodes: KeyNodes) => void, options: KeyNodeOptions = {}): void {
  let nodes: KeyNodes | undefined;
  beforeAll(async () => {
    const database = await openTestDatabase();
    const other = database.kind === 'embedded' ? database : await database.connect();
    nodes = { database, node: startKeyNode(database, options), otherNode: startKeyNode(other, options) };
    await registerNotes(nodes.node);
    hand(nodes);
  });
  afterAll(async () => {
    await nodes?.node.close();
    await nodes?.otherNode.close();
    await nodes?.database.close();
  });
}

export async function registerNotes({ resourceServers }: Pick<KeyNode, 'resourceServers'>): Promise<void> {
  const scopes = ['read', 'write'].map((name) => ({ name, description: name }));
  const outcome = await resourceServers.create({ identifier: NOTES, name: 'Notes', scopes }, BY);
  if (outcome.kind !== 'created') throw new Error(JSON.stringify(outcome));
}

export const actingFor = (subject: string): Acting => ({ as: 'owner', subject });

/** A key, made by its owner, or by an administrator where the owner cannot. */
export async function makeKey(
  { apiKeys }: Pick<KeyNode, 'apiKeys'>,
  owner: Owner,
  input: Partial<Parameters<ApiKeys['create']>[1]> = {},
  acting: Acting = owner.kind === 'user' ? actingFor(owner.id) : ADMINISTRATOR,
) {
  const access: Access = { [NOTES]: ['read'] };
  const outcome = await apiKeys.create(owner, { name: 'Key', access, ...input }, acting, BY);
  if (outcome.kind !== 'created') throw new Error(JSON.stringify(outcome));
  return { ...outcome.apiKey, value: outcome.value.reveal() as string };
}
