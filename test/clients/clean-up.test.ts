import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createClientsCleanUp } from '../../src/clients/clean-up.store.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { BY, createWebClient, openClients } from './client-fixtures.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

test('client secrets are kept for 30 days after they ended, valid ones for ever, and a round is bounded', async () => {
  const { clients } = openClients(database);
  const { id, secret } = await createWebClient(clients);
  const digests = (await clients.find(id))!.secretDigests;
  const { rows } = await database.pool.query<{ hint: string }>(
    `INSERT INTO client_secrets (id, client_id, digest, hint, expires_at)
     SELECT gen_random_uuid(), $1, sha256(days::text::bytea), days::text, now() - days * interval '1 day'
     FROM unnest(ARRAY[-1, 29, 31, 32, 33]) AS days RETURNING hint`,
    [id],
  );
  expect(rows).toHaveLength(5);
  const cleanUp = createClientsCleanUp(database);
  const hints = async () => (await clients.show(id))!.secrets.map(({ hint }) => hint).sort();

  expect(await cleanUp(2)).toBe(true);
  expect(await hints()).toHaveLength(4);
  expect(await cleanUp(2)).toBe(false);
  expect(await hints()).toEqual(['-1', '29', secret.slice(-4)].sort());
  expect((await clients.find(id))!.secretDigests).toEqual(expect.arrayContaining(digests));
  expect(await clients.disable(id, BY)).toBe('done');
  expect(await cleanUp()).toBe(false);
  expect(await hints()).toHaveLength(3);
});
