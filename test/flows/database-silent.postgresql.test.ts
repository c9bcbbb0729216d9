import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openSilentNetwork } from '../platform/database/silent-network.ts';
import { createEmptyDatabase } from '../support/database.ts';
import { basic, post } from '../support/flow-client.ts';
import { registerMachine, startWholeService, type WholeService } from '../support/whole-service.ts';

let empty: NonNullable<Awaited<ReturnType<typeof createEmptyDatabase>>>;
let network: Awaited<ReturnType<typeof openSilentNetwork>>;
let whole: WholeService;
let client: { id: string; secret: string };
beforeAll(async () => {
  empty = (await createEmptyDatabase())!;
  network = await openSilentNetwork(empty.url);
  whole = await startWholeService({ DATABASE_URL: network.url, DAEMUN_DATABASE_POOL_SIZE: '3' });
  client = await registerMachine(whole);
}, 240_000);
afterAll(async () => {
  await whole.close();
  await network.close();
  await empty.close();
}, 120_000);

const askForToken = async () =>
  (await post(`${whole.issuer}/token`, { grant_type: 'client_credentials' }, basic(client))).status;
const statusOf = async (path: string) => {
  const answer = await fetch(`${whole.issuer}${path}`);
  await answer.arrayBuffer();
  return answer.status;
};

test('a network that swallows everything: every request is answered, keys are published, and all is well once it heals', async () => {
  expect([await askForToken(), await statusOf('/readyz')]).toEqual([200, 200]);
  network.fallSilent();
  const tokens = Promise.all(Array.from({ length: 30 }, askForToken));
  const start = performance.now();
  expect(await statusOf('/readyz')).toBe(503);
  // About two seconds on an idle machine.
  expect(performance.now() - start).toBeLessThan(8_000);
  expect([await statusOf('/healthz'), await statusOf('/.well-known/jwks.json')]).toEqual([200, 200]);
  expect(new Set(await tokens)).toEqual(new Set([503]));
  const later = performance.now();
  expect(await askForToken()).toBe(503);
  expect(performance.now() - later).toBeLessThan(8_000);
  network.heal();
  while ((await statusOf('/readyz')) !== 200) await new Promise((resolve) => setTimeout(resolve, 100));
  while ((await askForToken()) !== 200) await new Promise((resolve) => setTimeout(resolve, 100));
}, 60_000);
