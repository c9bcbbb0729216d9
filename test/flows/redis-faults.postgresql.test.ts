import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Balancer, startBalancer } from '../support/flow-balancer.ts';
import type { Browser, Visit } from '../support/flow-browser.ts';
import { authorizationRequest, basic, post } from '../support/flow-client.ts';
import {
  type Begun,
  begin,
  type FederatedService,
  PASSWORD,
  redeem,
  startFederatedService,
} from '../support/flow-federation.ts';
import { freePort } from '../support/free-port.ts';
import { leavesOutRedis, type RedisServer, startRedis, until } from '../support/redis.ts';

const RESOURCE = 'https://notes.example';
const BY = { actor: 'test' };

let redis: RedisServer;
let balancer: Balancer;
let service: FederatedService;
let program: { id: string; secret: string };
let people = 0;

(leavesOutRedis ? describe.skip : describe)('two nodes with one Redis between them', () => {
  beforeAll(async () => {
    redis = await startRedis();
    balancer = await startBalancer();
    const port = await freePort();
    balancer.balance([`http://127.0.0.1:${port}`]);
    service = await startFederatedService({
      env: { ISSUER: balancer.origin, PORT: String(port), REDIS_URL: `redis://127.0.0.1:${redis.port}` },
    });
    const { origin } = await service.startNode();
    balancer.balance([`http://127.0.0.1:${port}`, origin]);
    const { resourceServers } = service.services;
    const resource = await resourceServers.create({ identifier: RESOURCE, name: 'Notes' }, BY);
    if (resource.kind === 'refused') throw new Error(JSON.stringify(resource.problems));
    program = await registerProgram();
  });
  afterAll(async () => {
    await service?.close();
    await balancer?.close();
    await redis?.close();
  });

  test('everything works while it is there, and it is used', async () => {
    await mixedLoad(1);
    await until(async () => /^:[1-9]/.test(await redis.ask('DBSIZE')));
    // Each node listens.
    expect(await redis.ask('PUBSUB', 'NUMSUB', 'daemun:messages')).toContain(':2');
  });

  test('and while it is emptied again and again', async () => {
    const emptied = setInterval(() => void redis.ask('FLUSHALL').catch(() => {}), 50);
    await mixedLoad(2).finally(() => clearInterval(emptied));
  });

  test('and while it has room for nothing', async () => {
    await redis.ask('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
    await redis.ask('CONFIG', 'SET', 'maxmemory', '1');
    await mixedLoad(1).finally(() => redis.ask('CONFIG', 'SET', 'maxmemory', '0'));
  });

  test('and while it hangs', async () => {
    redis.signal('SIGSTOP');
    await mixedLoad(1).finally(() => redis.signal('SIGCONT'));
  });

  test('and when it dies, is away, and comes back with what it knew long ago', async () => {
    const client = await registerProgram();
    expect((await askToken(client)).status).toBe(200);
    const spent = await signedIn();
    const guesses = await guessUntilRefused();
    await redis.ask('SAVE');
    await service.services.clients.disable(client.id, BY);
    await revoke(spent.tokens.refresh_token!);
    await redis.kill();
    await mixedLoad(1);
    await redis.start();
    // Its first answers, and then those of nodes that listen to it again.
    for (let round = 0; round < 5; round++) {
      expect((await askToken(client)).status).toBe(401);
      expect((await refresh(spent.tokens.refresh_token!)).json.error).toBe('invalid_grant');
      expect(await isActive(spent.tokens.access_token)).toBe(false);
      expect((await guesses.again()).response?.status).toBe(429);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await mixedLoad(1);
  });

  test('a service starts, and is ready, without it', async () => {
    await redis.kill();
    try {
      const { origin } = await service.startNode();
      const host = new URL(service.issuer).host;
      expect((await fetch(`${origin}/readyz`, { headers: { host } })).status).toBe(200);
    } finally {
      await redis.start();
    }
  });

  test('a hung Redis adds little to an answer', async () => {
    const median = async () => {
      const times: number[] = [];
      for (let round = 0; round < 31; round++) {
        const before = performance.now();
        expect((await askToken(program)).status).toBe(200);
        times.push(performance.now() - before);
      }
      return times.sort((a, b) => a - b)[15]!;
    };
    const usual = await median();
    redis.signal('SIGSTOP');
    try {
      expect(await median()).toBeLessThan(usual + 50);
    } finally {
      redis.signal('SIGCONT');
    }
  });
});

/** What people and programs do, on both nodes in turn: nothing fails that should not, and nothing works that should not. */
async function mixedLoad(rounds: number): Promise<void> {
  const guesses = await guessUntilRefused();
  const staying = await signedIn();
  for (let round = 0; round < rounds; round++) {
    const client = await registerProgram();
    const [{ browser, tokens, form }] = await Promise.all([signedIn(), ...[1, 2, 3, 4].map(() => works(client))]);
    const next = await refresh(tokens.refresh_token!);
    expect(next.status).toBe(200);
    expect(await isActive(next.json.access_token)).toBe(true);
    expect(await isSignedIn(browser)).toBe(true);

    await service.services.clients.disable(client.id, BY);
    const refused = await Promise.all([1, 2, 3, 4].map(() => askToken(client)));
    expect(refused.map(({ status }) => status)).toEqual([401, 401, 401, 401]);

    await revoke(next.json.refresh_token);
    expect(await isActive(next.json.access_token)).toBe(false);
    expect((await refresh(next.json.refresh_token)).json.error).toBe('invalid_grant');
    expect((await post(`${service.issuer}/token`, form, basic(service.client))).json.error).toBe('invalid_grant');
    expect((await guesses.again()).response?.status).toBe(429);
  }
  expect(await isSignedIn(staying.browser)).toBe(true);
}

async function registerProgram(): Promise<{ id: string; secret: string }> {
  const outcome = await service.services.clients.create(
    {
      name: 'Program',
      metadata: { grant_types: ['client_credentials'], redirect_uris: [], response_types: [] },
      resources: [RESOURCE],
    },
    BY,
  );
  if (outcome.kind !== 'created') throw new Error(JSON.stringify(outcome.problems));
  return { id: outcome.client.id, secret: outcome.secret! };
}

const askToken = (client: { id: string; secret: string }) =>
  post(`${service.issuer}/token`, { grant_type: 'client_credentials', resource: RESOURCE }, basic(client));

async function works(client: { id: string; secret: string }): Promise<void> {
  const { status, text } = await askToken(client);
  if (status !== 200) throw new Error(`${status} ${text}`);
}

const refresh = (refresh_token: string) =>
  post(`${service.issuer}/token`, { grant_type: 'refresh_token', refresh_token }, basic(service.client));

async function revoke(token: string): Promise<void> {
  expect((await post(`${service.issuer}/revoke`, { token }, basic(service.client))).status).toBe(200);
}

async function isActive(token: string): Promise<boolean> {
  return (await post(`${service.issuer}/introspect`, { token }, basic(service.client))).json.active;
}

/** Without asking for anything. */
async function isSignedIn(browser: Browser): Promise<boolean> {
  const { url } = await authorizationRequest(service.relyingParty, { prompt: 'none' });
  return (await browser.open(url.href)).url.searchParams.has('code');
}

function enter({ browser, visit }: Pick<Begun, 'browser' | 'visit'>, email: string, password: string): Promise<Visit> {
  const [, action, csrf] = /action="([^"]+\/login)"[\s\S]*?name="csrf" value="([^"]+)"/.exec(visit.text) ?? [];
  if (!action) throw new Error(`no form at ${visit.url}: ${visit.text}`);
  return browser.submit(action, { csrf: csrf!, email, password });
}

async function newPerson(): Promise<string> {
  const email = `person-${++people}@example.com`;
  await service.createPerson({ email, emailVerified: true });
  return email;
}

/** Somebody who just signed in, what the application got, and the form with the code that it spent. */
async function signedIn() {
  const email = await newPerson();
  const begun = await begin(service);
  const end = await enter(begun, email, PASSWORD);
  const tokens = await redeem(service, begun, end);
  const form = {
    grant_type: 'authorization_code',
    code: end.url.searchParams.get('code')!,
    redirect_uri: `${end.url.origin}${end.url.pathname}`,
    code_verifier: begun.verifier,
  };
  return { browser: begun.browser, tokens, form };
}

/** Somebody whose password was guessed at until even the right one is refused. */
async function guessUntilRefused() {
  const email = await newPerson();
  const begun = await begin(service);
  for (let round = 0; round < 5; round++) await enter(begun, email, `wrong password ${round}`);
  return { again: () => enter(begun, email, PASSWORD) };
}
