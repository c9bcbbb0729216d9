import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { basic, post } from '../support/flow-client.ts';
import { startWholeService, type WholeService } from '../support/whole-service.ts';

let whole: WholeService;
let client: { id: string; secret: string };
beforeAll(async () => {
  whole = await startWholeService();
  const created = await whole.services.clients.create(
    { id: 'machine', name: 'Machine', metadata: { grant_types: ['client_credentials'], response_types: [] } },
    { actor: 'test' },
  );
  if (created.kind !== 'created') throw new Error(JSON.stringify(created));
  client = { id: 'machine', secret: created.secret! };
}, 240_000);
afterAll(() => whole.close(), 60_000);
afterEach(() => recover());

const pool = () => whole.services.database.pool as unknown as { query?: unknown; connect?: unknown };
const waiting: ((error: Error) => void)[] = [];

/** Whoever asks from now on gets no answer. */
function hang(): void {
  const wait = () => new Promise((_, reject) => void waiting.push(reject));
  Object.assign(pool(), { query: wait, connect: wait });
}

/** Whoever waited learns that nothing came, as the driver says it. */
function recover(): void {
  delete pool().query;
  delete pool().connect;
  for (const reject of waiting.splice(0)) reject(new Error('Query read timeout'));
}

const statusOf = async (path: string) => {
  const answer = await fetch(`${whole.issuer}${path}`);
  await answer.arrayBuffer();
  return answer.status;
};
const askForToken = () => post(`${whole.issuer}/token`, { grant_type: 'client_credentials' }, basic(client));

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 50));
}

test('while the database hangs this node is alive and not ready, publishes its keys, and says no quickly; then it is well by itself', async () => {
  expect(await statusOf('/readyz')).toBe(200);
  hang();
  const start = performance.now();
  const ready = await Promise.all(Array.from({ length: 50 }, () => statusOf('/readyz')));
  expect(new Set(ready)).toEqual(new Set([503]));
  // About two seconds on an idle machine.
  expect(performance.now() - start).toBeLessThan(8_000);
  for (const path of ['/healthz', '/.well-known/jwks.json', '/.well-known/openid-configuration']) {
    expect([path, await statusOf(path)]).toEqual([path, 200]);
  }
  // Once it is known, nobody waits for it any more.
  await until(async () => {
    const text = await (await fetch(whole.metricsUrl)).text();
    if (text.includes('daemun_requests_shed_total{reason="database"} 0')) await statusOf('/readyz');
    const answer = await askForToken();
    expect([answer.status, answer.json.error]).toEqual([503, 'temporarily_unavailable']);
    return !text.includes('daemun_requests_shed_total{reason="database"} 0');
  });
  const page = await fetch(whole.issuer, { headers: { accept: 'text/html' } });
  expect([page.status, page.headers.get('content-type')]).toEqual([503, expect.stringContaining('text/html')]);
  expect(Number(page.headers.get('retry-after'))).toBeGreaterThan(0);
  await page.arrayBuffer();
  recover();
  await until(async () => (await statusOf('/readyz')) === 200);
  await until(async () => (await askForToken()).status === 200);
}, 60_000);
