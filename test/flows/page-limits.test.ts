import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { basic, post } from '../support/flow-client.ts';
import { begin, type FederatedService, startFederatedService } from '../support/flow-federation.ts';
import { freePort } from '../support/free-port.ts';
import { leavesOutRedis, type RedisServer, startRedis, until } from '../support/redis.ts';

let redis: RedisServer | undefined;
let service: FederatedService;
let metricsPort: number;
beforeAll(async () => {
  redis = leavesOutRedis ? undefined : await startRedis();
  metricsPort = await freePort();
  service = await startFederatedService({
    env: {
      DAEMUN_SIGN_IN_PAGES_PER_ADDRESS: '3',
      DAEMUN_METRICS_PORT: String(metricsPort),
      HOST: '127.0.0.1',
      ...(redis && { REDIS_URL: `redis://127.0.0.1:${redis.port}` }),
    },
  });
});
afterAll(async () => {
  await service?.close();
  await redis?.close();
});

test('sign-in pages are shown so often to one address, and then it is told when to come again', async () => {
  for (let round = 0; round < 3; round++) expect((await begin(service)).visit.response?.status).toBe(200);
  const { response } = (await begin(service)).visit;
  expect(response?.status).toBe(429);
  expect(Number(response?.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(Number(response?.headers.get('retry-after'))).toBeLessThanOrEqual(60);
});

async function figure(name: string): Promise<number | undefined> {
  const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  const line = text.split('\n').find((each) => each.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.slice(name.length + 1));
}

test('figures tell where caches found what they were asked for', async () => {
  const form = { grant_type: 'refresh_token', refresh_token: 'unknown' };
  await until(async () => {
    await Promise.all([1, 2, 3].map(() => post(`${service.issuer}/token`, form, basic(service.client))));
    return ((await figure('daemun_cache_reads_total{cache="clients",result="process"}')) ?? 0) > 0;
  });
  expect(await figure('daemun_cache_reads_total{cache="clients",result="miss"}')).toBeGreaterThan(0);
});

(leavesOutRedis ? test.skip : test)(
  'and whether this node goes on without Redis, which is no less ready then',
  async () => {
    await until(async () => (await figure('daemun_redis_breaker_open')) === 0);
    await redis!.kill();
    await until(async () => (await figure('daemun_redis_breaker_open')) === 1);
    expect((await fetch(`${service.issuer}/readyz`)).status).toBe(200);
  },
);
