import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { TOKEN_EXCHANGE } from '../../src/clients/client-metadata.ts';
import { API_KEY_TOKEN_TYPE } from '../../src/provider/grants/exchange-request.ts';
import { type Balancer, startBalancer } from '../support/flow-balancer.ts';
import { basic, post } from '../support/flow-client.ts';
import { type FederatedService, startFederatedService } from '../support/flow-federation.ts';
import { freePort } from '../support/free-port.ts';
import { leavesOutRedis, type RedisServer, startRedis } from '../support/redis.ts';

const API = 'https://api.example.com/';
const BY = { actor: 'test' };
const AS_ADMINISTRATOR = { as: 'administrator' } as const;

let redis: RedisServer;
let balancer: Balancer;
let service: FederatedService;
let api: { id: string; secret: string };

(leavesOutRedis ? describe.skip : describe)(
  'S-064 on two nodes with one Redis between them a revoked key stays revoked',
  () => {
    beforeAll(async () => {
      redis = await startRedis();
      balancer = await startBalancer();
      const port = await freePort();
      const own = `http://127.0.0.1:${port}`;
      balancer.balance([own]);
      service = await startFederatedService({
        env: {
          ISSUER: balancer.origin,
          PORT: String(port),
          REDIS_URL: `redis://127.0.0.1:${redis.port}`,
          DAEMUN_API_KEYS_PER_OWNER: '1000',
        },
      });
      const { origin } = await service.startNode();
      balancer.balance([own, origin]);
      const { resourceServers, clients } = service.services;
      await resourceServers.create({ identifier: API, name: 'API' }, BY);
      const metadata = { grant_types: ['client_credentials'], redirect_uris: [] };
      const outcome = await clients.create({ name: 'API', metadata, resources: [API] }, BY);
      if (outcome.kind !== 'created') throw new Error(JSON.stringify(outcome.problems));
      api = { id: outcome.client.id, secret: outcome.secret! };
    });
    afterAll(async () => {
      await service?.close();
      await balancer?.close();
      await redis?.close();
    });

    test('while it is there', () => lives(3));

    test('while it is emptied again and again', async () => {
      const emptied = setInterval(() => void redis.ask('FLUSHALL').catch(() => {}), 50);
      await lives(2).finally(() => clearInterval(emptied));
    });

    test('while it hangs', async () => {
      redis.signal('SIGSTOP');
      await lives(2).finally(() => redis.signal('SIGCONT'));
    });

    test('when it dies, is away, and comes back with what it knew long ago', async () => {
      const key = await makeKey();
      expect(await answers(key.value)).toEqual(WORKS);
      await redis.ask('SAVE');
      await revoke(key.id);
      await redis.kill();
      await lives(1);
      await redis.start();
      for (let round = 0; round < 5; round++) {
        expect(await answers(key.value)).toEqual(REFUSED);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      await lives(1);
    });
  },
);

const WORKS = [true, true, 'ok', 'ok'];
const REFUSED = [false, false, 'invalid_grant', 'invalid_grant'];

/** From making to the end, on both nodes in turn. */
async function lives(rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const key = await makeKey();
    expect(await answers(key.value)).toEqual(WORKS);
    await revoke(key.id);
    expect(await answers(key.value)).toEqual(REFUSED);
  }
}

async function makeKey(): Promise<{ id: string; value: string }> {
  const access = { [API]: [] };
  const outcome = await service.services.apiKeys.create(
    { kind: 'system' },
    { name: 'Key', access },
    AS_ADMINISTRATOR,
    BY,
  );
  if (outcome.kind !== 'created') throw new Error(JSON.stringify(outcome));
  return { id: outcome.apiKey.id, value: outcome.value.reveal() };
}

async function revoke(id: string): Promise<void> {
  expect(await service.services.apiKeys.revoke(id, AS_ADMINISTRATOR, BY)).toBe('done');
}

/** The balancer gives one of each pair to each node. */
function answers(token: string): Promise<unknown[]> {
  const introspect = async () => (await post(`${service.issuer}/introspect`, { token }, basic(api))).json.active;
  const exchange = async () => {
    const form = { subject_token: token, subject_token_type: API_KEY_TOKEN_TYPE, client_id: 'api-keys' };
    return (await post(`${service.issuer}/token`, { grant_type: TOKEN_EXCHANGE, ...form })).json.error ?? 'ok';
  };
  return Promise.all([introspect(), introspect(), exchange(), exchange()]);
}
