import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { anotherNode, auditTypesOf, BY, createWebClient, openClients } from './client-fixtures.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

test('S-047 disabling a client ends its access in the same transaction and is seen by the next look-up', async () => {
  const seenInside: unknown[] = [];
  const { clients } = openClients(database, {
    async endClientAccess(tx, clientId) {
      const row = await tx.client.findUniqueOrThrow({ where: { id: clientId } });
      seenInside.push([clientId, row.state]);
    },
  });
  const { id } = await createWebClient(clients);
  expect(await clients.disable(id, BY)).toBe('done');
  expect(seenInside).toEqual([[id, 'disabled']]);
  expect(await clients.find(id)).toMatchObject({ state: 'disabled', version: 2 });
  expect((await clients.show(id))?.disabledAt).toBeInstanceOf(Date);
  expect(await auditTypesOf(database, id)).toEqual(['client.created', 'client.disabled']);
});

test('S-047 when ending its access fails, the client is not disabled either, and nothing is recorded', async () => {
  const { clients } = openClients(database, {
    async endClientAccess() {
      throw new Error('the store failed');
    },
  });
  const { id } = await createWebClient(clients);
  await expect(clients.disable(id, BY)).rejects.toThrow('the store failed');
  expect(await clients.find(id)).toMatchObject({ state: 'active', version: 1 });
  expect(await auditTypesOf(database, id)).toEqual(['client.created']);
});

test('disabling twice changes nothing the second time', async () => {
  const { clients, ended } = openClients(database);
  const { id } = await createWebClient(clients);
  expect([await clients.disable(id, BY), await clients.disable(id, BY)]).toEqual(['done', 'unchanged']);
  expect(ended).toEqual([id]);
  expect((await clients.find(id))?.version).toBe(2);
});

test('disabling at the same moment on two nodes happens once', async () => {
  const { clients, ended } = openClients(database);
  const other = openClients(await anotherNode(database));
  const { id } = await createWebClient(clients);
  const outcomes = await Promise.all([clients.disable(id, BY), other.clients.disable(id, BY)]);
  expect(outcomes.sort()).toEqual(['done', 'unchanged']);
  expect([...ended, ...other.ended]).toEqual([id]);
});

test('an enabled client is accepted again with the secret it had', async () => {
  const { clients } = openClients(database);
  const { id } = await createWebClient(clients);
  const before = await clients.find(id);
  await clients.disable(id, BY);
  expect(await clients.enable(id, BY)).toBe('done');
  expect(await clients.find(id)).toEqual({ ...before, version: 3 });
  expect((await clients.show(id))?.disabledAt).toBeUndefined();
  expect(await auditTypesOf(database, id)).toEqual(['client.created', 'client.disabled', 'client.enabled']);
});

test('an unknown client is neither disabled nor enabled', async () => {
  const { clients } = openClients(database);
  expect([await clients.disable('nobody', BY), await clients.enable('nobody', BY)]).toEqual(['not_found', 'not_found']);
});
