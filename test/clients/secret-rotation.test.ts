import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { matchesClientSecret } from '../../src/clients/client-secret.ts';
import type { Clients } from '../../src/clients/clients.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { anotherNode, auditTypesOf, BY, createWebClient, openClients, webMetadata } from './client-fixtures.ts';

let database: TestDatabase;
let clients: Clients;

beforeAll(async () => {
  database = await openTestDatabase();
  ({ clients } = openClients(database));
});
afterAll(() => database.close());

async function rotate(id: string, overlapSeconds?: number): Promise<string> {
  const outcome = await clients.rotateSecret(id, overlapSeconds === undefined ? {} : { overlapSeconds }, BY);
  if (outcome.kind !== 'rotated') throw new Error(JSON.stringify(outcome));
  return outcome.secret;
}

async function accepted(id: string, secrets: string[]): Promise<boolean[]> {
  const { secretDigests } = (await clients.find(id))!;
  return secrets.map((secret) => matchesClientSecret(secret, secretDigests));
}

/** Moves the end of every secret of a client, as if time had passed. */
async function letTimePass(id: string, seconds: number): Promise<void> {
  await database.pool.query(
    'UPDATE client_secrets SET expires_at = expires_at - make_interval(secs => $2::int) WHERE client_id = $1',
    [id, seconds],
  );
}

test('S-045 after a rotation the secret before still works for a day, and then no more', async () => {
  const { id, secret } = await createWebClient(clients);
  const next = await rotate(id);
  expect(await accepted(id, [secret, next])).toEqual([true, true]);
  await letTimePass(id, 86_400 - 60);
  expect(await accepted(id, [secret, next])).toEqual([true, true]);
  await letTimePass(id, 60);
  expect(await accepted(id, [secret, next])).toEqual([false, true]);
});

test('S-045 a rotation without overlap ends the secret before at once', async () => {
  const { id, secret } = await createWebClient(clients);
  const next = await rotate(id, 0);
  expect(await accepted(id, [secret, next])).toEqual([false, true]);
  expect((await clients.show(id))?.secrets.map(({ hint }) => hint)).toEqual([next.slice(-4)]);
});

test('S-045 at most two secrets work at once, however often they are rotated', async () => {
  const { id, secret } = await createWebClient(clients);
  const secrets = [secret, await rotate(id), await rotate(id), await rotate(id)];
  expect(await accepted(id, secrets)).toEqual([false, false, true, true]);
});

test('a rotation never lets an ending secret live longer', async () => {
  const { id, secret } = await createWebClient(clients);
  await rotate(id, 60);
  await letTimePass(id, 60);
  await rotate(id, 3600);
  expect(await accepted(id, [secret])).toEqual([false]);
});

test('a rotation raises the version and is in the audit log', async () => {
  const { id } = await createWebClient(clients);
  await rotate(id);
  expect((await clients.find(id))?.version).toBe(2);
  expect(await auditTypesOf(database, id)).toEqual(['client.created', 'client.secret_rotated']);
});

test('two rotations at the same moment leave two secrets, both handed out', async () => {
  const { id } = await createWebClient(clients);
  const other = openClients(await anotherNode(database)).clients;
  const outcomes = await Promise.all([clients.rotateSecret(id, {}, BY), other.rotateSecret(id, {}, BY)]);
  const secrets = outcomes.map((outcome) => (outcome as { secret: string }).secret);
  expect(await accepted(id, secrets)).toEqual([true, true]);
  expect((await clients.find(id))?.secretDigests).toHaveLength(2);
});

test.each([-1, 1.5, 30 * 86_400 + 1, Number.NaN])('an overlap of %p seconds is refused', async (overlapSeconds) => {
  const { id, secret } = await createWebClient(clients);
  const outcome = await clients.rotateSecret(id, { overlapSeconds }, BY);
  expect(outcome).toMatchObject({ kind: 'refused', problems: [{ field: 'overlap' }] });
  expect(await accepted(id, [secret])).toEqual([true]);
});

test('a public client has no secret to rotate', async () => {
  const metadata = { ...webMetadata, token_endpoint_auth_method: 'none' };
  const created = await clients.create({ name: 'Notes', metadata }, BY);
  if (created.kind !== 'created') throw new Error(JSON.stringify(created));
  const outcome = await clients.rotateSecret(created.client.id, {}, BY);
  expect(outcome).toMatchObject({ kind: 'refused' });
  expect((await clients.find(created.client.id))?.secretDigests).toEqual([]);
});
