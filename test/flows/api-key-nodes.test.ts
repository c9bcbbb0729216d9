import { createVerifier } from '@daemun/verify';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { ApiKey } from '../../src/api-keys/api-key.ts';
import { TOKEN_EXCHANGE } from '../../src/clients/client-metadata.ts';
import { API_KEY_TOKEN_TYPE } from '../../src/provider/grants/exchange-request.ts';
import { basic } from '../support/flow-client.ts';
import { throughProxy } from '../support/flow-https.ts';
import type { Flow } from '../support/flow-server.ts';
import { startTwoNodes, type TwoNodes } from '../support/flow-two-nodes.ts';

const API = 'https://api.example.com/';

/** Two nodes that hear nothing from each other, which is the worst there is. */
let nodes: TwoNodes;
let one: Flow;
let two: Flow;
let api: { id: string; secret: string };
let owner: string;
let key: ApiKey & { value: string };
beforeAll(async () => {
  nodes = await startTwoNodes();
  ({ one, two } = nodes);
  await one.registerResource({ identifier: API, name: 'API', scopes: [{ name: 'read', description: 'Read' }] });
  api = await one.register({ metadata: { grant_types: ['client_credentials'], redirect_uris: [] }, resources: [API] });
});
afterAll(() => nodes?.close());
beforeEach(async () => {
  owner = (await one.people.create()).id;
  key = await one.apiKeys.make({ kind: 'user', id: owner }, { access: { [API]: ['read'] } });
});

async function call(node: Flow, path: string, form: Record<string, string>, headers = {}) {
  const body = new URLSearchParams(form).toString();
  const type = { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' };
  const { text } = await throughProxy(node, path, { method: 'POST', headers: { ...type, ...headers }, body });
  return JSON.parse(text);
}

const isActive = async (node: Flow) => (await call(node, '/introspect', { token: key.value }, basic(api))).active;

const exchange = (node: Flow) =>
  call(node, '/token', {
    grant_type: TOKEN_EXCHANGE,
    subject_token: key.value,
    subject_token_type: API_KEY_TOKEN_TYPE,
    client_id: 'api-keys',
  });

/** A resource server that talks to this node, with a clock that a test moves. */
function verifierAt(node: Flow) {
  const clock = { ahead: 0 };
  const { verify } = createVerifier({
    issuer: node.issuer,
    audience: API,
    apiKeys: { clientId: api.id, clientSecret: api.secret },
    now: () => Date.now() + clock.ahead,
    fetch: async (url, { method = 'GET', headers, body } = {}) => {
      const { pathname } = new URL(url);
      const given = { headers: { accept: 'application/json', ...(headers as Record<string, string>) } };
      const answer = await throughProxy(node, pathname, {
        method,
        ...given,
        ...(body ? { body: body as string } : {}),
      });
      return new Response(answer.text, { status: answer.status, headers: { 'content-type': 'application/json' } });
    },
  });
  return {
    clock,
    isGood: () =>
      verify(key.value).then(
        () => true,
        (error) => error.cause,
      ),
  };
}

async function worksEverywhere(): Promise<void> {
  for (const node of [one, two]) {
    expect(await isActive(node)).toBe(true);
    expect((await exchange(node)).error).toBeUndefined();
  }
}

async function isRefusedEverywhere(): Promise<void> {
  for (const node of [two, one]) {
    expect(await isActive(node)).toBe(false);
    expect((await exchange(node)).error).toBe('invalid_grant');
  }
}

test('S-064 when a revocation is answered the key is refused on every node', async () => {
  await worksEverywhere();
  // Used without a pause on the other node, which would know it for as long as anything may be known.
  let ended = false;
  const used = (async () => {
    while (!ended) await isActive(two);
  })();
  try {
    await one.apiKeys.revokeNow(key.id);
    await isRefusedEverywhere();
  } finally {
    ended = true;
    await used;
  }
});

test('S-064 and at a resource server half a second later, whichever node it asks', async () => {
  const [atOne, atTwo] = [verifierAt(one), verifierAt(two)];
  expect([await atOne.isGood(), await atTwo.isGood()]).toEqual([true, true]);
  await one.apiKeys.revokeNow(key.id);
  atOne.clock.ahead = 500;
  atTwo.clock.ahead = 500;
  expect([await atOne.isGood(), await atTwo.isGood()]).toEqual(['inactive', 'inactive']);
});

test('S-158 a key of somebody who was disabled is refused on every node a moment later, whoever tells them', async () => {
  await worksEverywhere();
  await one.people.set({ ...(await one.people.find(owner))!, state: 'disabled' });
  // As long as a node may remember a key, and some more for a machine that is busy.
  await new Promise((resolve) => setTimeout(resolve, 1000));
  await isRefusedEverywhere();
});

test('a key that was rotated works on every node until its end, and its successor at once', async () => {
  const before = key;
  const outcome = await one.apiKeys.rotate(key.id, { overlapSeconds: 60 }, { as: 'administrator' }, {});
  if (outcome.kind !== 'rotated') throw new Error(outcome.kind);
  key = { ...outcome.apiKey, value: outcome.value.reveal() };
  await worksEverywhere();
  key = before;
  await worksEverywhere();
});

test('S-177 while the database is away nothing is said of a key: 503, neither yes nor no', async () => {
  const query = two.database.pool.query;
  const away = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
  const fail = (async () => Promise.reject(away)) as never;
  const others = await one.apiKeys.make({ kind: 'system' }, { access: { [API]: ['read'] } });
  key = others;
  // The clients are remembered, the key is not.
  await call(two, '/introspect', { token: 'x' }, basic(api));
  two.database.pool.query = fail;
  try {
    expect(await call(two, '/introspect', { token: key.value }, basic(api))).toMatchObject({
      error: 'temporarily_unavailable',
    });
    expect(await exchange(two)).toMatchObject({ error: 'temporarily_unavailable' });
  } finally {
    two.database.pool.query = query;
  }
  expect(await isActive(two)).toBe(true);
});
