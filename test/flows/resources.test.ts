import type { AddressInfo } from 'node:net';
import { createVerifier } from '@daemun/verify';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { JwtVerifier } from 'aws-jwt-verify';
import express from 'express';
import { auth } from 'express-oauth2-jwt-bearer';
import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import * as oidc from 'openid-client';
import { createBrowser } from '../support/flow-browser.ts';
import { answerPages, authorizationRequest, basic, connect, obtainCode, post, signIn } from '../support/flow-client.ts';
import { type Flow, startFlow } from '../support/flow-server.ts';

const NOTES = 'https://notes.example.com/';
const PHOTOS = 'https://photos.example.com/';
const OPAQUE = 'urn:example:opaque';
const ARCHIVE = 'https://archive.example.com/';
const grant_types = ['authorization_code', 'refresh_token', 'client_credentials'];
const scopes = [
  { name: 'read', description: 'Read' },
  { name: 'write', description: 'Write' },
];

let flow: Flow;
let client: { id: string; secret: string };
let archivist: { id: string; secret: string };
let config: oidc.Configuration;
beforeAll(async () => {
  flow = await startFlow();
  await flow.registerResource({ identifier: NOTES, name: 'Notes', scopes });
  await flow.registerResource({ identifier: PHOTOS, name: 'Photos', scopes, accessTokenLifetime: 60 });
  await flow.registerResource({ identifier: OPAQUE, name: 'Opaque', scopes, accessTokenFormat: 'opaque' });
  await flow.registerResource({ identifier: 'https://forbidden.example.com/', name: 'Forbidden', scopes });
  client = await flow.register({ resources: [NOTES, PHOTOS, OPAQUE], metadata: { grant_types } });
  const archive = [{ name: 'search', description: 'Search' }];
  await flow.registerResource({ identifier: ARCHIVE, name: 'Archive', scopes: archive });
  archivist = await flow.register({ resources: [NOTES, ARCHIVE], metadata: { grant_types } });
  config = await connect(flow, client);
});
afterAll(() => flow.close());

test('S-071 a JWT access token has the shape of RFC 9068 and is never an ID token', async () => {
  const person = await flow.people.create();
  const { tokens } = await signIn(flow, config, person.id, { parameters: { scope: 'openid read', resource: NOTES } });
  const { typ, alg, kid } = decodeProtectedHeader(tokens.access_token);
  expect([typ, alg]).toEqual(['at+jwt', 'ES256']);
  expect(kid).toEqual(expect.any(String));
  const claims = decodeJwt(tokens.access_token);
  expect(claims).toMatchObject({ iss: flow.issuer, aud: NOTES, sub: person.id, client_id: client.id, scope: 'read' });
  expect(claims.exp! - claims.iat!).toBe(900);
  expect(claims.jti).toEqual(expect.any(String));
  for (const member of ['nonce', 'at_hash', 'c_hash', 'amr', 'azp']) expect(claims).not.toHaveProperty(member);
  expect(tokens.scope).toBe('read');
});

test('tokens are judged by the published keys alone: our own verifier, and two foreign ones', async () => {
  const person = await flow.people.create();
  const { tokens } = await signIn(flow, config, person.id, { parameters: { scope: 'openid read', resource: NOTES } });
  const token = tokens.access_token;

  const caller = await createVerifier({ issuer: flow.issuer, audience: NOTES }).verify(token);
  expect(caller).toMatchObject({ subject: person.id, clientId: client.id, scopes: ['read'], audience: [NOTES] });
  await expect(createVerifier({ issuer: flow.issuer, audience: PHOTOS }).verify(token)).rejects.toMatchObject({
    cause: 'audience',
  });

  // Fetches by https only, so it is handed the keys.
  const jwks = await (await fetch(`${flow.issuer}/.well-known/jwks.json`)).json();
  const foreign = JwtVerifier.create({ issuer: flow.issuer, audience: NOTES, jwksUri: 'https://unused.example/' });
  foreign.cacheJwks(jwks as never);
  await expect(foreign.verify(token)).resolves.toMatchObject({ sub: person.id });

  const app = express();
  app.use(auth({ issuerBaseURL: flow.issuer, audience: NOTES, tokenSigningAlg: 'ES256', strict: true }));
  app.get('/', (request, response) => void response.json(request.auth!.payload));
  app.use(
    ((error, _request, response, _next) =>
      void response.status(error.status ?? 500).end()) as express.ErrorRequestHandler,
  );
  const server = app.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const call = (value: string) => fetch(url, { headers: { authorization: `Bearer ${value}` } });
  try {
    const accepted = await call(token);
    expect([accepted.status, ((await accepted.json()) as { sub: string }).sub]).toEqual([200, person.id]);
    expect((await call(tokens.id_token!)).status).toBe(401);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

test('a resource server chooses the algorithm of its tokens', async () => {
  const keys = createRemoteJWKSet(new URL(`${flow.issuer}/.well-known/jwks.json`));
  for (const signingAlgorithm of ['ES256', 'RS256', 'PS256', 'EdDSA'] as const) {
    const identifier = `https://${signingAlgorithm.toLowerCase()}.example.com/`;
    await flow.registerResource({ identifier, name: signingAlgorithm, scopes, signingAlgorithm });
    const machine = await flow.register({
      resources: [identifier],
      metadata: { grant_types: ['client_credentials'], redirect_uris: [] },
    });
    const { access_token } = await oidc.clientCredentialsGrant(await connect(flow, machine));
    const { protectedHeader } = await jwtVerify(access_token, keys, {
      audience: identifier,
      algorithms: [signingAlgorithm],
    });
    expect(protectedHeader.alg).toBe(signingAlgorithm);
  }
});

test('S-073 the audience is one resource of the client, whether it is asked for early or late', async () => {
  const person = await flow.people.create();
  const both = await obtainCode(flow, client, person.id, { parameters: { scope: 'openid read', resource: NOTES } });
  const other = await post(`${flow.issuer}/token`, { ...both.form, resource: PHOTOS }, basic(client));
  expect(other.json.error).toBe('invalid_target');

  for (const resource of [
    'https://forbidden.example.com/',
    'https://unknown.example/',
    'not a uri',
    `${NOTES}#x`,
    `${NOTES}x`,
  ]) {
    const { url } = await authorizationRequest(config, { resource });
    const { url: end } = await createBrowser(flow.origin).open(url.href);
    expect([resource, end.searchParams.get('error')]).toEqual([resource, 'invalid_target']);
    const direct = await post(`${flow.issuer}/token`, { grant_type: 'client_credentials', resource }, basic(client));
    expect([resource, direct.json.error]).toEqual([resource, 'invalid_target']);
  }
});

test('several resources may be agreed to at once; each token is for one of them', async () => {
  const person = await flow.people.create();
  const browser = createBrowser(flow.origin);
  const { url, verifier } = await authorizationRequest(config, { scope: 'openid read write', resource: NOTES });
  url.searchParams.append('resource', PHOTOS);
  const { url: callback } = await answerPages(await browser.open(url.href), browser, person.id);
  const form = {
    grant_type: 'authorization_code',
    code: callback.searchParams.get('code')!,
    redirect_uri: 'https://app.example.com/callback',
    code_verifier: verifier,
  };
  const first = await post(`${flow.issuer}/token`, { ...form, resource: NOTES }, basic(client));
  expect(decodeJwt(first.json.access_token)).toMatchObject({ aud: NOTES, scope: 'read write' });
  const refresh = { grant_type: 'refresh_token', refresh_token: first.json.refresh_token };
  const unclear = await post(`${flow.issuer}/token`, refresh, basic(client));
  expect(unclear.json.error).toBe('invalid_target');
  const twice = await post(
    `${flow.issuer}/token`,
    `${new URLSearchParams(refresh)}&resource=${encodeURIComponent(NOTES)}&resource=${encodeURIComponent(PHOTOS)}`,
    basic(client),
  );
  expect(twice.json.error).toBe('invalid_target');
  const second = await post(`${flow.issuer}/token`, { ...refresh, resource: PHOTOS }, basic(client));
  expect(decodeJwt(second.json.access_token)).toMatchObject({ aud: PHOTOS, scope: 'read write' });
});

test('another spelling of the resource gives the registered one', async () => {
  const { access_token } = await oidc.clientCredentialsGrant(config, {
    resource: 'https://NOTES.example.com',
    scope: 'read',
  });
  expect(decodeJwt(access_token)).toMatchObject({ aud: NOTES, scope: 'read' });
});

test('S-053 nobody gets a scope that the resource server does not have, or the client was not registered for', async () => {
  const machine = await flow.register({ resources: [NOTES], metadata: { grant_types, scope: 'openid read' } });
  const own = await connect(flow, machine);
  const direct = await oidc.clientCredentialsGrant(own, { resource: NOTES, scope: 'read write admin' });
  expect([direct.scope, decodeJwt(direct.access_token).scope]).toEqual(['read', 'read']);
  const person = await flow.people.create();
  const { tokens } = await signIn(flow, own, person.id, {
    parameters: { scope: 'openid read write', resource: NOTES },
  });
  expect([tokens.scope, decodeJwt(tokens.access_token).scope]).toEqual(['read', 'read']);
});

describe('S-053 a token request that can get none of what it asks for is refused with invalid_scope', () => {
  test.each<[string, Record<string, string>]>([
    ['a scope that exists nowhere', { scope: 'everything', resource: NOTES }],
    ['a scope that exists nowhere, of no resource', { scope: 'everything' }],
    ['a scope about people', { scope: 'openid', resource: NOTES }],
  ])('by a service: %s', async (_, parameters) => {
    const answer = await post(
      `${flow.issuer}/token`,
      { grant_type: 'client_credentials', ...parameters },
      basic(client),
    );
    expect([answer.status, answer.json.error]).toEqual([400, 'invalid_scope']);
    expect(answer.json).not.toHaveProperty('access_token');
  });

  test('by a service: a scope that it was not registered for', async () => {
    const machine = await flow.register({ resources: [NOTES], metadata: { grant_types, scope: 'openid read' } });
    const form = { grant_type: 'client_credentials', scope: 'write' };
    const answer = await post(`${flow.issuer}/token`, form, basic(machine));
    expect([answer.status, answer.json.error]).toEqual([400, 'invalid_scope']);
  });

  test('by a service that asks for nothing, nothing is refused', async () => {
    const form = { grant_type: 'client_credentials', resource: NOTES, scope: '' };
    expect((await post(`${flow.issuer}/token`, form, basic(client))).status).toBe(200);
  });

  test('by a code, for the one of two resources that has none of it', async () => {
    const { form } = await codeForTwo();
    const answer = await post(`${flow.issuer}/token`, { ...form, resource: ARCHIVE }, basic(archivist));
    expect([answer.status, answer.json.error]).toEqual([400, 'invalid_scope']);
  });

  test('by a refresh token, which is not spent by it', async () => {
    const { form } = await codeForTwo();
    const { json } = await post(`${flow.issuer}/token`, { ...form, resource: NOTES }, basic(archivist));
    expect(json.scope).toBe('read');
    const refresh = { grant_type: 'refresh_token', refresh_token: json.refresh_token };
    const refused = await post(`${flow.issuer}/token`, { ...refresh, resource: ARCHIVE }, basic(archivist));
    expect([refused.status, refused.json.error]).toEqual([400, 'invalid_scope']);
    // Beyond the time in which a second use would pass for a repetition.
    await flow.age(60);
    const again = await post(`${flow.issuer}/token`, { ...refresh, resource: NOTES }, basic(archivist));
    expect([again.status, again.json.scope]).toEqual([200, 'read']);
  });

  test('but who signs in gets the ID token, and reads that there is nothing more', async () => {
    const person = await flow.people.create();
    const { tokens } = await signIn(flow, config, person.id, { parameters: { scope: 'openid', resource: NOTES } });
    expect([tokens.scope, tokens.claims()!.sub]).toEqual(['', person.id]);
  });

  async function codeForTwo() {
    const person = await flow.people.create();
    const browser = createBrowser(flow.origin);
    const own = await connect(flow, archivist);
    const { url, verifier } = await authorizationRequest(own, { scope: 'read', nonce: null, resource: NOTES });
    url.searchParams.append('resource', ARCHIVE);
    const { url: callback } = await answerPages(await browser.open(url.href), browser, person.id);
    const code = callback.searchParams.get('code')!;
    const redirect_uri = 'https://app.example.com/callback';
    return { form: { grant_type: 'authorization_code', code, redirect_uri, code_verifier: verifier } };
  }
});

test('a request for a resource without a scope gets what the resource has (MCP clients)', async () => {
  const person = await flow.people.create();
  const { tokens } = await signIn(flow, config, person.id, {
    parameters: { scope: null, nonce: null, resource: NOTES },
  });
  expect(decodeJwt(tokens.access_token)).toMatchObject({ aud: NOTES, scope: 'read write' });
  expect(tokens.id_token).toBeUndefined();
});

test('the shortest lifetime wins: the server’s, the resource’s or the client’s', async () => {
  const lifetime = async (resource: string, metadata: object = {}) => {
    const machine = await flow.register({ resources: [resource], metadata: { grant_types, ...metadata } });
    return (await oidc.clientCredentialsGrant(await connect(flow, machine))).expires_in;
  };
  expect(await lifetime(NOTES)).toBe(900);
  expect(await lifetime(PHOTOS)).toBe(60);
  expect(await lifetime(NOTES, { access_token_lifetime: 120 })).toBe(120);
  expect(await lifetime(PHOTOS, { access_token_lifetime: 120 })).toBe(60);
  expect(await lifetime(OPAQUE)).toBe(900);
});

test('opaque access tokens are opaque, and known to introspection', async () => {
  const { access_token } = await oidc.clientCredentialsGrant(config, { resource: OPAQUE, scope: 'read' });
  expect(access_token).toMatch(/^[\w-]{43}$/);
  const answer = await oidc.tokenIntrospection(config, access_token);
  expect(answer).toMatchObject({ active: true, aud: OPAQUE, scope: 'read', client_id: client.id, iss: flow.issuer });
});
