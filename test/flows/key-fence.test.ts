import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { decodeProtectedHeader } from 'jose';
import * as oidc from 'openid-client';
import { createKeyEncryption } from '../../src/signing-keys/envelope.ts';
import { ALGORITHMS } from '../../src/signing-keys/key-pair.ts';
import type { KeyStore } from '../../src/signing-keys/key-store.ts';
import type { KeyView } from '../../src/signing-keys/key-view.ts';
import { DEFAULT_KEY_POLICY, viewLifetime } from '../../src/signing-keys/timing.ts';
import { createNodes } from '../signing-keys/key-nodes.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { createBrowser } from '../support/flow-browser.ts';
import { connect, signIn } from '../support/flow-client.ts';
import { type Flow, startFlow } from '../support/flow-server.ts';

const resource = 'https://api.example.com/';
const grant_types = ['authorization_code', 'refresh_token', 'client_credentials'];
const by = { actor: 'test' };

let database: TestDatabase;
let flow: Flow;
let store: KeyStore;
let view: KeyView;
const nodes = createNodes(createKeyEncryption(randomBytes(32)));
let clock = 0;
let cutOff = false;
let unknown = 0;

beforeAll(async () => {
  database = await openTestDatabase();
  store = nodes.storeOn(database, { algorithms: ALGORITHMS });
  await store.advance();
  await store.advance();
  const unlessCutOff = async <Result>(work: () => Promise<Result>) => {
    if (cutOff) throw Object.assign(new Error('no way'), { code: 'ECONNREFUSED' });
    return work();
  };
  view = await nodes.viewOn(
    database,
    {
      ...store,
      read: () => unlessCutOff(store.read),
      readVersion: () => unlessCutOff(store.readVersion),
    },
    { now: () => clock },
  );
  flow = await startFlow({ database, signingKeys: view.current(), onUnknownKid: () => void unknown++ });
  view.onChange((set) => flow.identityProvider.replaceKeys(set));
  await flow.registerResource({ identifier: resource, name: 'API', scopes: [], accessTokenFormat: 'jwt' });
}, 120_000);
afterAll(async () => {
  await nodes.close();
  await flow.close();
  await database.close();
});

const kidOf = (token: string) => decodeProtectedHeader(token).kid!;
async function publishedKids(): Promise<string[]> {
  const jwks = (await (await fetch(`${flow.issuer}/.well-known/jwks.json`)).json()) as { keys: { kid: string }[] };
  return jwks.keys.map(({ kid }) => kid);
}

async function askForToken(client: { id: string; secret: string }): Promise<Response> {
  return fetch(`${flow.issuer}/token`, {
    method: 'POST',
    headers: { Authorization: `Basic ${Buffer.from(`${client.id}:${client.secret}`).toString('base64')}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', resource }),
  });
}

test('K13 a node that cannot ask about its keys stops issuing tokens for a while, says so, and goes on publishing', async () => {
  const client = await flow.register({ metadata: { grant_types }, resources: [resource] });
  cutOff = true;
  clock += 1000 * viewLifetime(DEFAULT_KEY_POLICY) - 1;
  expect((await askForToken(client)).status).toBe(200);
  clock += 1;
  const refused = await askForToken(client);
  expect(refused.status).toBe(503);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(await refused.json()).toMatchObject({ error: 'temporarily_unavailable' });
  expect(await publishedKids()).toHaveLength(8);
  cutOff = false;
  expect((await askForToken(client)).status).toBe(200);
});

test('K4 a rotation on another node: what is signed after it was noticed is signed by the new key, which was published before', async () => {
  const client = await flow.register({ metadata: { grant_types }, resources: [resource] });
  const before = kidOf(((await (await askForToken(client)).json()) as { access_token: string }).access_token);
  const { keys } = await store.list();
  const { algorithm } = keys.find(({ kid }) => kid === before)!;
  const published = await publishedKids();
  await store.rotate({ algorithm, expectedActive: before, emergency: true }, by);
  await view.refresh();
  const after = kidOf(((await (await askForToken(client)).json()) as { access_token: string }).access_token);
  expect(after).not.toBe(before);
  expect(published).toContain(after);
  expect(await publishedKids()).toEqual(expect.arrayContaining([before, after]));
});

test('an ID token signs out by its hint when its key is archived, and no more when it was revoked', async () => {
  const client = await flow.register({ metadata: { grant_types } });
  const config = await connect(flow, client);
  const person = await flow.people.create();
  const { tokens } = await signIn(flow, config, person.id);
  const kid = kidOf(tokens.id_token!);
  const signOut = async () => {
    const url = oidc.buildEndSessionUrl(config, { id_token_hint: tokens.id_token! });
    return (await createBrowser(flow.origin).open(url.href)).response?.status;
  };
  await store.rotate({ algorithm: 'RS256', expectedActive: kid, emergency: true }, by);
  await database.pool.query(`UPDATE signing_keys SET retired_at = now() - interval '2 days' WHERE kid = $1`, [kid]);
  await store.advance();
  await view.refresh();
  expect(await publishedKids()).not.toContain(kid);
  expect([await signOut(), unknown]).toEqual([200, 0]);
  await store.revoke({ kid, reason: 'test' }, by);
  await view.refresh();
  expect([await signOut(), unknown]).toEqual([400, 1]);
}, 120_000);
