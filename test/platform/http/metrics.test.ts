import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { metricsListener } from '../../../src/platform/http/metrics-server.ts';
import { createMetrics, type Metrics } from '../../../src/platform/metrics.ts';
import { SecretText } from '../../../src/platform/secret-text.ts';

const TOKEN = 'a-token-for-the-scraper';

const servers: Server[] = [];
const keys = new Map([['first', 10]]);
let metrics: Metrics;
let open: string;
let guarded: string;
let signedIn: (labels?: Record<string, string>) => void;

beforeAll(async () => {
  metrics = await createMetrics();
  metrics.gauge('daemun_test_age_seconds', 'Age.', ['kid'], (set) => {
    for (const [kid, age] of keys) set(age, { kid });
  });
  signedIn = metrics.counter('daemun_test_sign_ins_total', 'Sign-ins.', ['outcome']);
  metrics.counter('daemun_test_never_total', 'What has not happened yet.', []);
  open = await serve(metricsListener({ metrics }));
  guarded = await serve(metricsListener({ metrics, token: new SecretText(TOKEN) }));
});
afterAll(() => {
  for (const server of servers) server.close();
});

async function serve(listener: ReturnType<typeof metricsListener>): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('a scraper reads counters, gauges as they are now, and what the process says of itself', async () => {
  signedIn({ outcome: 'succeeded' });
  signedIn({ outcome: 'succeeded' });
  const answer = await fetch(`${open}/metrics`);
  expect([answer.status, answer.headers.get('content-type')]).toEqual([
    200,
    expect.stringContaining('text/plain; version='),
  ]);
  expect(answer.headers.get('cache-control')).toBe('no-store');
  const text = await answer.text();
  expect(text).toContain('daemun_test_sign_ins_total{outcome="succeeded"} 2');
  expect(text).toContain('daemun_test_never_total 0');
  expect(text).toContain('daemun_test_age_seconds{kid="first"} 10');
  expect(text).toMatch(/^process_resident_memory_bytes \d/m);
});

test('what is gone is not reported any more', async () => {
  keys.delete('first');
  keys.set('second', 5);
  const text = await (await fetch(`${open}/metrics`)).text();
  expect(text).toContain('kid="second"} 5');
  expect(text).not.toContain('kid="first"');
});

describe('where a token is set', () => {
  const header = (authorization?: string) => ({ headers: new Headers(authorization ? { authorization } : {}) });

  test.each([
    ['nothing', undefined, 401],
    ['another token', 'Bearer another', 401],
    ['the token under another scheme', `Basic ${TOKEN}`, 401],
    ['the token and more', `Bearer ${TOKEN}x`, 401],
    ['the token', `Bearer ${TOKEN}`, 200],
  ])('%s', async (_, authorization, status) => {
    const answer = await fetch(`${guarded}/metrics`, header(authorization));
    expect(answer.status).toBe(status);
    expect(answer.headers.get('www-authenticate')).toBe(status === 401 ? 'Bearer' : null);
    const text = await answer.text();
    expect(text.includes('daemun_test')).toBe(status === 200);
  });
});

test.each([
  ['GET', '/', 404],
  ['GET', '/metrics?all', 404],
  ['POST', '/metrics', 405],
  ['HEAD', '/metrics', 200],
])('%s %s is answered with %i', async (method, path, status) => {
  const answer = await fetch(`${open}${path}`, { method });
  expect(answer.status).toBe(status);
});
