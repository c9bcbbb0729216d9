import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { anotherNode, auditTypesOf, BY, createWebClient, openClients } from './client-fixtures.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

test('S-047 disabling a client refuses it everywhere first and then ends its access', async () => {
  const seen: unknown[] = [];
  const { clients } = openClients(database, {
    async endClientAccess(_tx, clientId) {
      // Another connection, except on the embedded database, which has one.
      const reader = database.url ? (await database.connect()).prisma : _tx;
      const row = await reader.client.findUniqueOrThrow({ where: { id: clientId } });
      seen.push([clientId, row.state, await auditTypesOf(database.url ? database : { prisma: _tx }, clientId)]);
    },
  });
  const { id } = await createWebClient(clients);
  expect(await clients.disable(id, BY)).toBe('done');
  expect(seen).toEqual([[id, 'disabled', ['client.created', 'client.disabled']]]);
  expect(await clients.find(id)).toMatchObject({ state: 'disabled', version: 2 });
  expect((await clients.show(id))?.disabledAt).toBeInstanceOf(Date);
  expect(await auditTypesOf(database, id)).toEqual(['client.created', 'client.disabled']);
});

test('S-047 when ending its access fails, the client is refused all the same, and the next disabling or enabling ends the rest', async () => {
  let failures = 2;
  const ended: string[] = [];
  const { clients } = openClients(database, {
    async endClientAccess(_tx, clientId) {
      failures -= 1;
      if (failures >= 0) throw new Error('the store failed');
      ended.push(clientId);
    },
  });
  const { id } = await createWebClient(clients);
  await expect(clients.disable(id, BY)).rejects.toThrow('the store failed');
  expect(await clients.find(id)).toMatchObject({ state: 'disabled', version: 2 });
  expect(await auditTypesOf(database, id)).toEqual(['client.created', 'client.disabled']);
  // Not before what it had is gone.
  await expect(clients.enable(id, BY)).rejects.toThrow('the store failed');
  expect(await clients.find(id)).toMatchObject({ state: 'disabled', version: 2 });
  expect([await clients.disable(id, BY), ended]).toEqual(['unchanged', [id]]);
  expect([await clients.enable(id, BY), ended]).toEqual(['done', [id, id]]);
  expect(await auditTypesOf(database, id)).toEqual(['client.created', 'client.disabled', 'client.enabled']);
});

test('disabling twice changes nothing the second time', async () => {
  const { clients, ended } = openClients(database);
  const { id } = await createWebClient(clients);
  expect([await clients.disable(id, BY), await clients.disable(id, BY)]).toEqual(['done', 'unchanged']);
  // What the first one may have left is ended all the same.
  expect(ended).toEqual([id, id]);
  expect((await clients.find(id))?.version).toBe(2);
  expect(await auditTypesOf(database, id)).toEqual(['client.created', 'client.disabled']);
});

test('disabling at the same moment on two nodes happens once', async () => {
  const { clients } = openClients(database);
  const other = openClients(await anotherNode(database));
  const { id } = await createWebClient(clients);
  const outcomes = await Promise.all([clients.disable(id, BY), other.clients.disable(id, BY)]);
  expect(outcomes.sort()).toEqual(['done', 'unchanged']);
  expect(await auditTypesOf(database, id)).toEqual(['client.created', 'client.disabled']);
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

// The embedded database has one session, in which nobody holds a lock against another.
if (process.env.TEST_POSTGRES_URL) {
  test('S-047 changing a client waits for whoever is just ending what it had, longer than a request would', async () => {
    const { clients } = openClients(database);
    const { id } = await createWebClient(clients);
    const changes = [
      () => clients.disable(id, BY),
      () => clients.update(id, { name: 'Journal' }, BY),
      () => clients.enable(id, BY),
    ];
    for (const change of changes) {
      const holder = await database.pool.connect();
      try {
        await holder.query('BEGIN');
        await holder.query('SELECT FROM clients WHERE id = $1 FOR NO KEY UPDATE', [id]);
        const changed = change();
        changed.catch(() => {});
        await holder.query('SELECT pg_sleep(1)');
        await holder.query('COMMIT');
        expect(await changed).not.toBe('unchanged');
      } finally {
        holder.release(true);
      }
    }
    expect(await clients.show(id)).toMatchObject({ name: 'Journal', state: 'active' });
  });
}
