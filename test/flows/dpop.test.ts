import { createHash, generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto';
import { createVerifier } from '@daemun/verify';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { calculateJwkThumbprint, decodeJwt, type JWK, SignJWT } from 'jose';
import * as oidc from 'openid-client';
import type { Account } from '../../src/accounts/account.ts';
import { createBrowser } from '../support/flow-browser.ts';
import { answerPages, authorizationRequest, basic, connect, obtainCode, post, signIn } from '../support/flow-client.ts';
import { type Flow, startFlow } from '../support/flow-server.ts';

const API = 'https://api.example.com/';
const grant_types = ['authorization_code', 'refresh_token', 'client_credentials'];

let flow: Flow;
let person: Account;
let client: { id: string; secret: string };
let pair: { publicKey: KeyObject; privateKey: KeyObject };
beforeAll(async () => {
  flow = await startFlow();
  await flow.registerResource({ identifier: API, name: 'API', scopes: [{ name: 'read', description: 'Read' }] });
});
afterAll(() => flow.close());
beforeEach(async () => {
  person = await flow.people.create();
  client = await flow.register({ metadata: { grant_types }, resources: [API] });
  pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
});

const jwkOf = (key: KeyObject) => key.export({ format: 'jwk' }) as JWK;
const now = () => Math.floor(Date.now() / 1000);

function proof(
  { header = {}, claims = {}, key = pair }: { header?: object; claims?: object; key?: typeof pair } = {},
  url = `${flow.issuer}/token`,
  method = 'POST',
) {
  const payload = { htm: method, htu: url, iat: now(), jti: randomUUID(), ...claims };
  return new SignJWT(JSON.parse(JSON.stringify(payload)))
    .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: jwkOf(key.publicKey), ...header } as never)
    .sign(key.privateKey);
}

const ask = async (dpop: string, form: Record<string, string> = { grant_type: 'client_credentials', resource: API }) =>
  post(`${flow.issuer}/token`, form, { ...basic(client), DPoP: dpop });

test('tokens are bound to the key of the client, by library, from sign-in to refresh to userinfo', async () => {
  const config = await connect(flow, client);
  const handle = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair());
  const { tokens } = await signIn(flow, config, person.id, { dpop: handle });
  expect(tokens.token_type).toBe('dpop');
  const userinfo = await oidc.fetchUserInfo(config, tokens.access_token, person.id, { DPoP: handle });
  expect(userinfo.sub).toBe(person.id);
  const refreshed = await oidc.refreshTokenGrant(config, tokens.refresh_token!, undefined, { DPoP: handle });
  expect(refreshed.token_type).toBe('dpop');
  const looked = await oidc.tokenIntrospection(config, refreshed.access_token);
  expect(looked).toMatchObject({ active: true, token_type: 'DPoP', cnf: { jkt: expect.any(String) } });
});

test('S-089 a bound token is no bearer token, and another key does not help', async () => {
  const { form } = await obtainCode(flow, client, person.id);
  const token = (await ask(await proof(), form)).json.access_token;
  const url = `${flow.issuer}/userinfo`;
  const ath = createHash('sha256').update(token).digest('base64url');
  const call = async (authorization: string, dpop?: string) =>
    (await fetch(url, { headers: { authorization, ...(dpop && { dpop }) } })).status;
  const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  expect(await call(`DPoP ${token}`, await proof({ claims: { ath } }, url, 'GET'))).toBe(200);
  expect(await call(`Bearer ${token}`)).toBe(401);
  expect(await call(`DPoP ${token}`)).toBeGreaterThanOrEqual(400);
  expect(await call(`DPoP ${token}`, await proof({ claims: { ath }, key: stranger }, url, 'GET'))).toBe(401);
  expect(await call(`DPoP ${token}`, await proof({}, url, 'GET'))).toBe(401);
  expect(await call(`DPoP ${token}`, await proof({ claims: { ath: 'x' } }, url, 'GET'))).toBe(401);
});

test('a resource server checks the binding of a JWT by itself', async () => {
  const { json } = await ask(await proof());
  expect(decodeJwt(json.access_token).cnf).toEqual({ jkt: await calculateJwkThumbprint(jwkOf(pair.publicKey)) });
  const verifier = createVerifier({ issuer: flow.issuer, audience: API });
  const ath = createHash('sha256').update(json.access_token).digest('base64url');
  const request = { method: 'GET', url: `${API}notes`, proof: await proof({ claims: { ath } }, `${API}notes`, 'GET') };
  await expect(verifier.verify(json.access_token, { dpop: request })).resolves.toMatchObject({ clientId: client.id });
  await expect(verifier.verify(json.access_token)).rejects.toThrow();
});

describe('S-089 a proof is refused when it', () => {
  test.each<[string, () => Promise<string>]>([
    ['is no JWT', async () => 'x'],
    ['has no type', () => proof({ header: { typ: undefined } })],
    ['has another type', () => proof({ header: { typ: 'JWT' } })],
    ['brings no key', () => proof({ header: { jwk: undefined } })],
    ['brings a private key', () => proof({ header: { jwk: jwkOf(pair.privateKey) } })],
    [
      'brings another key',
      () => proof({ header: { jwk: jwkOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey) } }),
    ],
    ['has no id', () => proof({ claims: { jti: undefined } })],
    ['has no method', () => proof({ claims: { htm: undefined } })],
    ['names another method', () => proof({ claims: { htm: 'GET' } })],
    ['names no address', () => proof({ claims: { htu: undefined } })],
    ['names another address', () => proof({ claims: { htu: `${flow.issuer}/par` } })],
    ['names another host', () => proof({ claims: { htu: 'https://evil.example/token' } })],
    ['is not dated', () => proof({ claims: { iat: undefined } })],
    ['is dated by a text', () => proof({ claims: { iat: 'now' } })],
    ['is an hour old', () => proof({ claims: { iat: now() - 3600 } })],
    ['is an hour early', () => proof({ claims: { iat: now() + 3600 } })],
    ['holds a nonce that is not ours', () => proof({ claims: { nonce: 'x' } })],
    ['is tampered with', async () => (await proof()).replace(/\.([^.]{20})/, '.AAAAAAAAAAAAAAAAAAAA')],
  ])('%s', async (_, make) => {
    const answer = await ask(await make());
    expect(answer.status).toBe(400);
    expect(['invalid_dpop_proof', 'use_dpop_nonce']).toContain(answer.json.error);
  });

  test('is used again, also at the same moment', async () => {
    const once = await proof();
    const answers = await Promise.all(Array.from({ length: 6 }, () => ask(once)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect((await ask(once)).status).toBe(400);
  });
});

test('a clock that is ten seconds off is accepted either way', async () => {
  expect((await ask(await proof({ claims: { iat: now() - 10 } }))).status).toBe(200);
  expect((await ask(await proof({ claims: { iat: now() + 10 } }))).status).toBe(200);
});

test('a nonce of ours is offered, and accepted by every node with the same secret', async () => {
  const first = await ask(await proof({ claims: { iat: now() - 3600 } }));
  expect(first.json.error).toBe('use_dpop_nonce');
  const nonce = first.headers.get('dpop-nonce')!;
  expect((await ask(await proof({ claims: { nonce, iat: now() - 3600 } }))).status).toBe(200);
});

test('an authorization that named its key needs that key (ensure-mismatched-dpop-jkt-fails)', async () => {
  const dpop_jkt = await calculateJwkThumbprint(jwkOf(pair.publicKey));
  const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const bound = async () => (await obtainCode(flow, client, person.id, { parameters: { dpop_jkt } })).form;
  expect((await ask(await proof({ key: stranger }), await bound())).json.error).toBe('invalid_grant');
  expect((await post(`${flow.issuer}/token`, await bound(), basic(client))).json.error).toBe('invalid_grant');
  expect((await ask(await proof(), await bound())).status).toBe(200);
});

test('a proof with a pushed request binds the code (ensure-dpopproof-at-par-endpoint-binding-success)', async () => {
  const { url, verifier } = await authorizationRequest(await connect(flow, client));
  const par = `${flow.issuer}/par`;
  const pushed = await post(par, url.searchParams.toString(), { ...basic(client), DPoP: await proof({}, par) });
  const browser = createBrowser(flow.origin);
  const address = `/authorize?${new URLSearchParams({ client_id: client.id, request_uri: pushed.json.request_uri })}`;
  const { url: callback } = await answerPages(await browser.open(address), browser, person.id);
  const form = {
    grant_type: 'authorization_code',
    code: callback.searchParams.get('code')!,
    redirect_uri: 'https://app.example.com/callback',
    code_verifier: verifier,
  };
  const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  expect((await ask(await proof({ key: stranger }), form)).json.error).toBe('invalid_grant');
});

test('S-090 refresh tokens of public clients stay with the key', async () => {
  const open = await flow.register({
    metadata: { grant_types: ['authorization_code', 'refresh_token'], token_endpoint_auth_method: 'none' },
  });
  const { form } = await obtainCode(flow, { id: open.id }, person.id);
  const first = await post(`${flow.issuer}/token`, { ...form, client_id: open.id }, { DPoP: await proof() });
  const refresh = { grant_type: 'refresh_token', refresh_token: first.json.refresh_token, client_id: open.id };
  const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  expect((await post(`${flow.issuer}/token`, refresh)).json.error).toBe('invalid_grant');
  expect((await post(`${flow.issuer}/token`, refresh, { DPoP: await proof({ key: stranger }) })).json.error).toBe(
    'invalid_grant',
  );
  expect((await post(`${flow.issuer}/token`, refresh, { DPoP: await proof() })).status).toBe(200);
});

test('a client may be registered to get nothing without a proof', async () => {
  client = await flow.register({ metadata: { grant_types, dpop_bound_access_tokens: true }, resources: [API] });
  const form = { grant_type: 'client_credentials', resource: API };
  expect((await post(`${flow.issuer}/token`, form, basic(client))).json.error).toBe('invalid_grant');
  expect((await ask(await proof(), form)).json.token_type).toBe('DPoP');
});
