import { generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, expect, jest, test } from '@jest/globals';
import { SignJWT } from 'jose';
import { post } from '../support/flow-client.ts';
import { type Flow, startFlow } from '../support/flow-server.ts';

/** A relying party that publishes its keys and rotates them. */
const keys = new Map<string, KeyObject>();
let published: string[] = [];
let respond: () => Promise<Response>;
let asked = 0;

const asPublished = async () => {
  const entries = published.map((kid) => ({
    ...publicOf(keys.get(kid)!),
    kid,
    alg: 'ES256',
    use: 'sig',
  }));
  // As long as it says, these could be kept.
  return Response.json({ keys: entries }, { headers: { 'cache-control': 'max-age=86400' } });
};

let flow: Flow;
let warning: ReturnType<typeof jest.spyOn>;
beforeAll(async () => {
  // The engine says that its own protection is off under a test runner; ours stands in front of it.
  warning = jest.spyOn(console, 'warn').mockImplementation(() => {});
  flow = await startFlow({
    fetch: async () => {
      asked += 1;
      return respond();
    },
  });
});
afterAll(async () => {
  await flow.close();
  warning.mockRestore();
});

let clock: ReturnType<typeof jest.spyOn>;
let later = 0;
let client: { id: string };
beforeEach(async () => {
  const { now } = Date;
  later = 0;
  clock = jest.spyOn(Date, 'now').mockImplementation(() => now() + later * 1000);
  keys.clear();
  publish('k1');
  asked = 0;
  respond = asPublished;
  client = await flow.register({
    metadata: {
      grant_types: ['client_credentials', 'authorization_code'],
      token_endpoint_auth_method: 'private_key_jwt',
      jwks_uri: `https://app.example.com/${randomUUID()}`,
    },
  });
});
afterEach(() => {
  clock.mockRestore();
});

function publish(...kids: string[]): void {
  for (const kid of kids) {
    if (!keys.has(kid)) keys.set(kid, generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
  }
  published = kids;
}

function publicOf(key: KeyObject): object {
  const { d: _, ...jwk } = key.export({ format: 'jwk' });
  return jwk;
}

/** Authenticates by a key of this name; the status of the answer. */
async function authenticate(kid: string, key = keys.get(kid)!): Promise<number> {
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: client.id, sub: client.id, aud: flow.issuer, jti: randomUUID(), iat: now, exp: now + 60 };
  const { status, json } = await post(`${flow.issuer}/token`, {
    grant_type: 'client_credentials',
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: await new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid }).sign(key),
  });
  expect(json.error).toBe(status === 200 ? undefined : 'invalid_client');
  return status;
}

test('published keys are read once for many requests (registration-jwks-uri)', async () => {
  expect(await Promise.all(Array.from({ length: 8 }, () => authenticate('k1')))).toEqual(Array(8).fill(200));
  expect(await authenticate('k1')).toBe(200);
  expect(asked).toBe(1);
});

test('a new key of the client works at once, the old one as long as it is published (refresh-token-rp-key-rotation)', async () => {
  expect(await authenticate('k1')).toBe(200);
  publish('k1', 'k2');
  later = 11;
  expect([await authenticate('k2'), await authenticate('k1')]).toEqual([200, 200]);
  expect(asked).toBe(2);
  publish('k2');
  later += 5 * 60;
  expect([await authenticate('k2'), await authenticate('k1')]).toEqual([200, 401]);
});

test('S-043 a key that was taken back stops working, though nobody presented another', async () => {
  expect(await authenticate('k1')).toBe(200);
  publish('k2');
  later = 4 * 60;
  expect(await authenticate('k1')).toBe(200);
  later = 5 * 60 + 1;
  expect(await authenticate('k1')).toBe(401);
});

test('S-176 keys that nobody knows make us ask once in a while, however many they are', async () => {
  expect(await authenticate('k1')).toBe(200);
  const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  for (let tries = 0; tries < 5; tries++) expect(await authenticate(`unknown-${tries}`, stranger)).toBe(401);
  expect(asked).toBe(1);
  later = 11;
  const together = await Promise.all(Array.from({ length: 5 }, (_, index) => authenticate(`new-${index}`, stranger)));
  expect(together).toEqual(Array(5).fill(401));
  expect(asked).toBe(2);
  // Nor does that disturb the client.
  expect(await authenticate('k1')).toBe(200);
});

const FAILURES: [string, () => Promise<Response>][] = [
  ['cannot be reached', () => Promise.reject(new TypeError('fetch failed'))],
  ['answers by an error', async () => new Response('busy', { status: 503 })],
  ['answers by a page', async () => new Response('<h1>Maintenance</h1>')],
];

test.each(FAILURES)('S-177 a server that %s is asked now and then, and its client is refused', async (_, failure) => {
  respond = failure;
  expect([await authenticate('k1'), await authenticate('k1'), await authenticate('k1')]).toEqual([401, 401, 401]);
  expect(asked).toBe(1);
  respond = asPublished;
  later = 11;
  expect(await authenticate('k1')).toBe(200);
});

test.each(FAILURES)('a client whose server %s later is known by its last keys for an hour', async (_, failure) => {
  expect(await authenticate('k1')).toBe(200);
  respond = failure;
  for (later of [6 * 60, 30 * 60, 59 * 60]) expect([later, await authenticate('k1')]).toEqual([later, 200]);
  expect(asked).toBe(4);
  later = 61 * 60;
  expect(await authenticate('k1')).toBe(401);
  respond = asPublished;
  later += 11;
  expect(await authenticate('k1')).toBe(200);
});
