import { Agent, request } from 'node:http';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { basic, post } from '../support/flow-client.ts';
import { registerMachine, startWholeService, type WholeService } from '../support/whole-service.ts';

let whole: WholeService;
let client: { id: string; secret: string };
beforeAll(async () => {
  whole = await startWholeService({ DAEMUN_MOST_REQUESTS: '20' });
  client = await registerMachine(whole);
}, 240_000);
afterAll(() => whole.close(), 60_000);
afterEach(() => recover());

interface Answer {
  path: string;
  status: number;
  retryAfter: string | undefined;
}

function ask(agent: Agent, path: string, headers: Record<string, string> = {}, body?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { hostname: host, port } = new URL(whole.issuer);
    request({ host, port, path, agent, method: body === undefined ? 'GET' : 'POST', headers }, (response) => {
      const { statusCode, headers: answered } = response;
      response.resume().on('end', () => resolve({ path, status: statusCode!, retryAfter: answered['retry-after'] }));
    })
      .on('error', reject)
      .end(body);
  });
}

const figures = async () => (await fetch(whole.metricsUrl)).text();

test('thousands at once are answered by 200, 429 or 503 with a time to wait, health and keys by 200, and then all is as before', async () => {
  const form = { ...basic(client), 'content-type': 'application/x-www-form-urlencoded' } as Record<string, string>;
  const agent = new Agent({ maxSockets: 300, keepAlive: true });
  const kinds = [
    () => ask(agent, '/token', form, 'grant_type=client_credentials'),
    () => ask(agent, '/', { accept: 'text/html' }),
    () => ask(agent, '/.well-known/jwks.json'),
    () => ask(agent, '/healthz'),
    () => ask(agent, '/readyz'),
  ];
  // What is loaded once, and the memory of a service at work.
  for (const kind of kinds) expect((await kind()).status).toBe(200);
  const before = process.memoryUsage().rss;
  const answers = await Promise.all(Array.from({ length: 2_000 }, (_, n) => kinds[n % kinds.length]!()));
  expect(
    [...new Set(answers.map(({ status }) => status))].filter((status) => ![200, 429, 503].includes(status)),
  ).toEqual([]);
  for (const spared of ['/.well-known/jwks.json', '/healthz', '/readyz']) {
    const statuses = answers.filter(({ path }) => path === spared).map(({ status }) => status);
    expect([spared, ...new Set(statuses)]).toEqual([spared, 200]);
  }
  const refused = answers.filter(({ status }) => status !== 200);
  expect(refused.length).toBeGreaterThan(0);
  expect(refused.filter(({ retryAfter }) => !(Number(retryAfter) > 0))).toEqual([]);
  expect(answers.filter(({ path, status }) => path === '/token' && status === 200).length).toBeGreaterThan(20);
  // Both sides of it are in this process.
  expect(process.memoryUsage().rss - before).toBeLessThan(300 * 1024 * 1024);
  agent.destroy();

  while (!(await figures()).includes('daemun_requests_in_progress 0'))
    await new Promise((done) => setTimeout(done, 20));
  const after = await post(`${whole.issuer}/token`, { grant_type: 'client_credentials' }, basic(client));
  expect(after.status).toBe(200);
  expect((await fetch(whole.issuer)).status).toBe(200);
  // What was issued was recorded, each once.
  const issued = answers.filter(({ path, status }) => path === '/token' && status === 200).length + 2;
  while (
    !(await figures()).includes(
      `daemun_tokens_issued_total{grant_type="client_credentials",kind="access_token"} ${issued}\n`,
    )
  )
    await new Promise((done) => setTimeout(done, 20));
}, 120_000);

test('what strangers put into paths, methods and headers makes no new series, and is in no label', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 20 });
  const series = async () =>
    (await figures())
      .split('\n')
      .filter((line) => !line.startsWith('#'))
      .map((line) => line.replace(/ \S+$/, ''));
  const odd = (n: number) =>
    new Promise<void>((resolve) => {
      const { hostname: host, port } = new URL(whole.issuer);
      const paths = [
        `/stranger-${n}`,
        `/interaction/stranger-${n}`,
        `/setup/stranger-${n}/x`,
        `/token/stranger-${n}`,
        `/%73tranger-${n}`,
      ];
      const methods = ['GET', 'PROPFIND', 'DELETE', 'POST', 'HEAD', 'MKCALENDAR'];
      request(
        {
          ...{ host, port, agent, path: paths[n % paths.length]!, method: methods[n % methods.length]! },
          headers: {
            ...{
              'x-forwarded-for': `10.0.0.${n}, stranger`,
              'x-request-id': `stranger-${n}`,
              authorization: `Bearer stranger-${n}`,
            },
            traceparent: `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0${n % 2}`,
          },
        },
        (response) => {
          expect(response.headers['x-request-id']).not.toContain('stranger');
          response.resume().on('end', resolve);
        },
      )
        .on('error', () => resolve())
        .end();
    });
  for (let n = 0; n < 60; n++) await odd(n);
  const first = await series();
  for (let n = 60; n < 160; n++) await odd(n);
  expect((await series()).filter((one) => !first.includes(one))).toEqual([]);
  expect(first.join('\n')).not.toContain('stranger');
  agent.destroy();
}, 60_000);

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
