import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { decodeProtectedHeader } from 'jose';
import * as oidc from 'openid-client';
import type { SigningKeySet } from '../../src/signing-keys/key-set.ts';
import { createBrowser } from '../support/flow-browser.ts';
import { authorizationRequest, connect, signIn } from '../support/flow-client.ts';
import { followedBy, makeSigningKeys } from '../support/flow-keys.ts';
import { type Flow, startFlow } from '../support/flow-server.ts';

const grant_types = ['authorization_code', 'refresh_token', 'client_credentials'];

let flow: Flow;
let first: SigningKeySet;
beforeAll(async () => {
  first = await makeSigningKeys();
  flow = await startFlow({ signingKeys: first });
});
afterAll(() => flow.close());

const kidOf = (token: string) => decodeProtectedHeader(token).kid;

test('a new key set signs from the next request on, and nobody is signed out (server-rotate-keys)', async () => {
  const resource = 'https://api.example.com/';
  await flow.registerResource({ identifier: resource, name: 'API', scopes: [] });
  const client = await flow.register({ metadata: { grant_types }, resources: [resource] });
  const config = await connect(flow, client);
  const person = await flow.people.create();
  const browser = createBrowser(flow.origin);
  const before = await signIn(flow, config, person.id, { browser });
  const { url: pending } = await authorizationRequest(config, { prompt: 'login' });
  const page = await browser.open(pending.href);
  const jwks = () => fetch(`${flow.issuer}/.well-known/jwks.json`);
  const [oldTag, oldKids] = [(await jwks()).headers.get('etag'), await kids()];

  const second = await makeSigningKeys();
  await flow.identityProvider.replaceKeys(followedBy(first, second));

  const newKids = await kids();
  expect(newKids).toEqual(expect.arrayContaining(oldKids));
  expect(newKids).toHaveLength(8);
  expect((await jwks()).headers.get('etag')).not.toBe(oldTag);
  const after = await signIn(flow, config, person.id, {
    browser,
    parameters: { prompt: 'none', id_token_hint: before.tokens.id_token! },
  });
  expect(oldKids).toContain(kidOf(before.tokens.id_token!));
  expect(oldKids).not.toContain(kidOf(after.tokens.id_token!));
  const refreshed = await oidc.refreshTokenGrant(config, before.tokens.refresh_token!);
  expect(oldKids).not.toContain(kidOf(refreshed.id_token!));
  const machine = await oidc.clientCredentialsGrant(config, { resource });
  expect(second.keys.map(({ kid }) => kid)).toContain(kidOf(machine.access_token));
  // What a person was in the middle of goes on.
  const end = await browser.submit(`${page.url.pathname}/login`, { account: person.id });
  expect(end.url.searchParams.has('code')).toBe(true);

  async function kids(): Promise<string[]> {
    return ((await (await jwks()).json()) as { keys: { kid: string }[] }).keys.map(({ kid }) => kid);
  }
});

test('no request fails while keys change under it', async () => {
  const client = await flow.register({ metadata: { grant_types } });
  const config = await connect(flow, client);
  const person = await flow.people.create();
  const sets = [await makeSigningKeys(), await makeSigningKeys(), await makeSigningKeys()];
  const outcomes: string[] = [];
  let working = 3;
  const worker = async () => {
    for (let round = 0; round < 4; round++) {
      const { tokens } = await signIn(flow, config, person.id);
      outcomes.push(tokens.claims()!.sub);
      await oidc.clientCredentialsGrant(config);
    }
    working -= 1;
  };
  const workers = [worker(), worker(), worker()];
  let changes = 0;
  while (working > 0) {
    const [before, next] = [sets[changes % 3]!, sets[(changes + 1) % 3]!];
    await flow.identityProvider.replaceKeys(followedBy(before, next));
    changes += 1;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await Promise.all(workers);
  expect(outcomes).toHaveLength(12);
  expect(changes).toBeGreaterThan(3);
  expect(new Set(outcomes)).toEqual(new Set([person.id]));
});

test('a key set that is not usable is refused, and the one before goes on serving', async () => {
  const [key] = first.keys;
  await expect(flow.identityProvider.replaceKeys({ ...first, keys: [key!, key!] })).rejects.toThrow();
  const client = await flow.register({});
  const person = await flow.people.create();
  const { tokens } = await signIn(flow, await connect(flow, client), person.id);
  expect(tokens.claims()!.sub).toBe(person.id);
});
