import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { calculateJwkThumbprint, type JWK, SignJWT } from 'jose';
import type { Account } from '../../src/accounts/account.ts';
import { authorizationRequest, basic, connect, obtainCode } from '../support/flow-client.ts';
import { throughProxy } from '../support/flow-https.ts';
import type { Flow } from '../support/flow-server.ts';
import { startTwoNodes, type TwoNodes } from '../support/flow-two-nodes.ts';

const grant_types = ['authorization_code', 'refresh_token', 'client_credentials'];

let nodes: TwoNodes;
let one: Flow;
let two: Flow;
let person: Account;
let client: { id: string; secret: string };
beforeAll(async () => {
  nodes = await startTwoNodes();
  ({ one, two } = nodes);
});
afterAll(() => nodes?.close());
beforeEach(async () => {
  person = await one.people.create();
  client = await one.register({ metadata: { grant_types } });
});

/** To one of the nodes, by the address they share. */
async function call(
  node: Flow,
  path: string,
  form: Record<string, string>,
  headers: Record<string, string> = basic(client),
) {
  const {
    status,
    text,
    headers: answered,
  } = await throughProxy(node, path, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json', ...headers },
    body: new URLSearchParams(form).toString(),
  });
  return { status, json: text.startsWith('{') ? JSON.parse(text) : {}, headers: answered };
}

const onBoth = (count: number, ask: (node: Flow) => ReturnType<typeof call>) =>
  Promise.all(Array.from({ length: count }, (_, index) => ask(index % 2 ? two : one)));

test('S-027 a code presented to two nodes at once is worth at most one set of tokens', async () => {
  for (let round = 0; round < 5; round++) {
    const { form } = await obtainCode(one, client, person.id);
    const answers = await onBoth(6, (node) => call(node, '/token', form));
    expect(answers.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(1);
    expect(answers.every(({ status }) => status === 200 || status === 400)).toBe(true);
  }
});

test('S-056 a refresh token used on two nodes at once gives the same successor on both', async () => {
  const { form } = await obtainCode(one, client, person.id);
  const { refresh_token } = (await call(one, '/token', form)).json;
  const answers = await onBoth(6, (node) => call(node, '/token', { grant_type: 'refresh_token', refresh_token }));
  const won = answers.filter(({ status }) => status === 200).map(({ json }) => json.refresh_token);
  expect(won.length).toBeGreaterThan(0);
  expect(new Set(won).size).toBe(1);
});

test('S-055 a replay on one node ends the family on the other', async () => {
  const { form } = await obtainCode(one, client, person.id);
  const first = (await call(one, '/token', form)).json;
  const refresh = (node: Flow, refresh_token: string) =>
    call(node, '/token', { grant_type: 'refresh_token', refresh_token });
  const second = (await refresh(two, first.refresh_token)).json;
  const third = (await refresh(one, second.refresh_token)).json;
  expect((await refresh(two, first.refresh_token)).status).toBe(400);
  expect((await refresh(one, third.refresh_token)).status).toBe(400);
});

test('S-064 what was revoked on one node is inactive on the other with the next call', async () => {
  const { form } = await obtainCode(one, client, person.id);
  const { access_token, refresh_token } = (await call(two, '/token', form)).json;
  expect((await call(two, '/introspect', { token: access_token })).json.active).toBe(true);
  expect((await call(one, '/revoke', { token: refresh_token })).status).toBe(200);
  expect((await call(two, '/introspect', { token: access_token })).json).toEqual({ active: false });
  expect((await call(two, '/userinfo', { access_token }, {})).status).toBe(401);
});

test('S-047 S-158 disabling a client or a person on one node holds on the other at once', async () => {
  const { form, browser } = await obtainCode(one, client, person.id);
  const { access_token } = (await call(one, '/token', form)).json;
  await two.people.set({ ...person, state: 'disabled' });
  await two.endAccess(person.id);
  expect((await call(one, '/introspect', { token: access_token })).json).toEqual({ active: false });
  const { url } = await authorizationRequest(await connect(one, client), { prompt: 'none' });
  expect((await browser.open(url.href)).url.searchParams.get('error')).toBe('login_required');
  await two.clients.disable(client.id, {});
  expect((await call(one, '/token', { grant_type: 'client_credentials' })).status).toBe(401);
});

test('a person who signed in at one node is signed in at the other, and may change nodes in between', async () => {
  const { browser } = await obtainCode(one, client, person.id);
  const cookie = browser.cookies.map(({ name, value }) => `${name}=${value}`).join('; ');
  const { url } = await authorizationRequest(await connect(one, client), { prompt: 'none' });
  const silent = await throughProxy(two, `${url.pathname}${url.search}`, { headers: { cookie } });
  expect(new URL(String(silent.headers.location)).searchParams.has('code')).toBe(true);

  const fresh = await authorizationRequest(await connect(one, client));
  const start = await throughProxy(one, `${fresh.url.pathname}${fresh.url.search}`);
  const cookies = start.cookies.map((line) => line.split(';')[0]).join('; ');
  const signedIn = await throughProxy(two, `${start.headers.location}/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', cookie: cookies },
    body: `account=${person.id}`,
  });
  const end = await throughProxy(one, new URL(String(signedIn.headers.location)).pathname, {
    headers: { cookie: cookies },
  });
  expect(new URL(String(end.headers.location)).searchParams.has('code')).toBe(true);
});

test('S-042 S-089 an assertion and a proof count once on all nodes together, and a nonce on all of them', async () => {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = pair.publicKey.export({ format: 'jwk' }) as JWK;
  client = await one.register({
    metadata: {
      grant_types,
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [{ ...jwk, kid: await calculateJwkThumbprint(jwk) }] },
    },
  });
  const now = Math.floor(Date.now() / 1000);
  const assertion = () =>
    new SignJWT({ iss: client.id, sub: client.id, aud: one.issuer, jti: randomUUID(), exp: now + 60 })
      .setProtectedHeader({ alg: 'ES256' })
      .sign(pair.privateKey);
  const proof = (claims: object = {}) =>
    new SignJWT({ htm: 'POST', htu: `${one.issuer}/token`, iat: now, jti: randomUUID(), ...claims })
      .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk })
      .sign(pair.privateKey);
  const form = (client_assertion: string) => ({
    grant_type: 'client_credentials',
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion,
  });

  const same = await assertion();
  const byAssertion = await onBoth(6, (node) => call(node, '/token', form(same), {}));
  expect(byAssertion.filter(({ status }) => status === 200)).toHaveLength(1);

  const dpop = await proof();
  const byProof = await onBoth(6, async (node) => call(node, '/token', form(await assertion()), { dpop }));
  expect(byProof.filter(({ status }) => status === 200)).toHaveLength(1);

  const offered = await call(one, '/token', form(await assertion()), { dpop: await proof({ iat: now - 3600 }) });
  const nonce = offered.headers['dpop-nonce'];
  const accepted = await call(two, '/token', form(await assertion()), {
    dpop: await proof({ nonce, iat: now - 3600 }),
  });
  expect(accepted.status).toBe(200);
});
