import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { registerPlayground } from '../../src/interactions/playground-client.ts';
import { openClients } from '../clients/client-fixtures.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

test('nodes that start in the same moment register one playground between them', async () => {
  const { clients } = openClients(database);
  const nodes = 4;
  let looking = 0;
  let begin = () => {};
  const allLook = new Promise<void>((resolve) => {
    begin = resolve;
  });
  /** All of them have seen that there is none before the first makes it. */
  const find = async (id: string) => {
    const found = await clients.find(id);
    if (++looking === nodes) begin();
    await allLook;
    return found;
  };
  await Promise.all(
    Array.from({ length: nodes }, () => registerPlayground({ ...clients, find }, 'http://localhost:3000')),
  );
  expect(await clients.find('playground')).toMatchObject({
    state: 'active',
    metadata: { redirect_uris: ['http://localhost:3000/playground/callback'] },
  });
});
