import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import * as oidc from 'openid-client';
import { connect, post, signIn } from '../support/flow-client.ts';
import { type Flow, startFlow } from '../support/flow-server.ts';

let flow: Flow;
beforeAll(async () => {
  flow = await startFlow();
});
afterAll(() => flow.close());

const PROFILE = ['name', 'given_name', 'family_name', 'preferred_username', 'updated_at'];
const EMAIL = ['email', 'email_verified'];

describe('each scope yields its claims at the userinfo endpoint, and only there', () => {
  test.each([
    ['openid', 'scope-openid', []],
    ['openid profile', 'scope-profile', PROFILE],
    ['openid email', 'scope-email', EMAIL],
    ['openid profile email', 'scope-all', [...PROFILE, ...EMAIL]],
    ['openid address phone', 'scope-address, scope-phone: not offered, ignored', []],
  ])('%s (%s)', async (scope, _, claims) => {
    const person = await flow.people.create();
    const config = await connect(flow, await flow.register({}));
    const { tokens } = await signIn(flow, config, person.id, { parameters: { scope } });
    const userinfo = await oidc.fetchUserInfo(config, tokens.access_token, person.id);
    expect(Object.keys(userinfo).sort()).toEqual(['sub', ...claims].sort());
    const idTokenClaims = Object.keys(tokens.claims()!);
    expect(idTokenClaims.filter((name) => [...PROFILE, ...EMAIL].includes(name))).toEqual([]);
  });
});

test('the claims parameter asks for single claims, in the place that was named (claims-essential)', async () => {
  const person = await flow.people.create();
  const config = await connect(flow, await flow.register({}));
  const claims = JSON.stringify({ userinfo: { name: { essential: true } }, id_token: { email: null } });
  const { tokens } = await signIn(flow, config, person.id, { parameters: { claims } });
  const userinfo = await oidc.fetchUserInfo(config, tokens.access_token, person.id);
  expect(userinfo).toEqual({ sub: person.id, name: 'Hana Kim' });
  expect(tokens.claims()).toMatchObject({ email: person.email!.address });
  expect(tokens.claims()).not.toHaveProperty('name');
});

describe('the access token can be presented', () => {
  let token: string;
  let sub: string;
  beforeAll(async () => {
    const person = await flow.people.create();
    sub = person.id;
    token = (await signIn(flow, await connect(flow, await flow.register({})), sub)).tokens.access_token;
  });

  test.each<[string, () => Promise<Response>]>([
    ['by GET in the header (userinfo-get)', () => bearer('GET')],
    ['by POST in the header (userinfo-post-header)', () => bearer('POST')],
    [
      'by POST in the body (userinfo-post-body)',
      () => fetch(`${flow.issuer}/userinfo`, { method: 'POST', body: new URLSearchParams({ access_token: token }) }),
    ],
  ])('%s', async (_, call) => {
    const response = await call();
    expect(response.status).toBe(200);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(await response.json()).toEqual({ sub });
  });

  test.each<[string, number, string, () => Promise<Response>]>([
    ['in the query', 400, 'invalid_request', () => fetch(`${flow.issuer}/userinfo?access_token=${token}`)],
    [
      'in the header and the query',
      400,
      'invalid_request',
      () => fetch(`${flow.issuer}/userinfo?access_token=${token}`, { headers: authorization() }),
    ],
    [
      'in the header and the body',
      400,
      'invalid_request',
      () =>
        fetch(`${flow.issuer}/userinfo`, {
          method: 'POST',
          headers: authorization(),
          body: new URLSearchParams({ access_token: token }),
        }),
    ],
    [
      'twice in the body',
      400,
      'invalid_request',
      () =>
        fetch(`${flow.issuer}/userinfo`, {
          method: 'POST',
          headers: { 'content-type': 'application/x-www-form-urlencoded' },
          body: `access_token=${token}&access_token=${token}`,
        }),
    ],
    [
      'under another scheme',
      400,
      'invalid_request',
      () => fetch(`${flow.issuer}/userinfo`, { headers: { authorization: `Basic ${token}` } }),
    ],
    [
      'cut short (S-067)',
      401,
      'invalid_token',
      () => fetch(`${flow.issuer}/userinfo`, { headers: { authorization: `Bearer ${token.slice(0, -1)}` } }),
    ],
    [
      'extended (S-067)',
      401,
      'invalid_token',
      () => fetch(`${flow.issuer}/userinfo`, { headers: { authorization: `Bearer ${token}A` } }),
    ],
    [
      'with one letter changed (S-067)',
      401,
      'invalid_token',
      () =>
        fetch(`${flow.issuer}/userinfo`, {
          headers: { authorization: `Bearer ${token.replace(/^./, (first) => (first === 'A' ? 'B' : 'A'))}` },
        }),
    ],
    ['not at all', 401, 'invalid_token', () => fetch(`${flow.issuer}/userinfo`)],
  ])('S-074 but not %s', async (_, status, error, call) => {
    const response = await call();
    expect([response.status, ((await response.json()) as { error: string }).error]).toEqual([status, error]);
    if (status === 401) expect(response.headers.get('www-authenticate')).toContain('Bearer realm=');
  });

  function authorization() {
    return { authorization: `Bearer ${token}` };
  }

  function bearer(method: string) {
    return fetch(`${flow.issuer}/userinfo`, { method, headers: authorization() });
  }
});

test('S-072 the userinfo endpoint refuses ID tokens, refresh tokens, and tokens for another audience', async () => {
  const resource = 'https://api.example.com/';
  await flow.registerResource({ identifier: resource, name: 'API', scopes: [], accessTokenFormat: 'opaque' });
  await flow.registerResource({ identifier: 'https://jwt.example.com/', name: 'API', scopes: [] });
  const person = await flow.people.create();
  const client = await flow.register({
    resources: [resource, 'https://jwt.example.com/'],
    metadata: { grant_types: ['authorization_code', 'refresh_token', 'client_credentials'] },
  });
  const config = await connect(flow, client);
  const plain = await signIn(flow, config, person.id);
  const opaque = await signIn(flow, config, person.id, { parameters: { resource } });
  const jwt = await signIn(flow, config, person.id, { parameters: { resource: 'https://jwt.example.com/' } });
  const own = await oidc.clientCredentialsGrant(config, { resource });
  for (const token of [
    plain.tokens.id_token!,
    plain.tokens.refresh_token!,
    plain.callback.searchParams.get('code')!,
    opaque.tokens.access_token,
    jwt.tokens.access_token,
    own.access_token,
  ]) {
    const response = await fetch(`${flow.issuer}/userinfo`, { headers: { authorization: `Bearer ${token}` } });
    expect([401, 403]).toContain(response.status);
  }
});

test('S-066 a token is worth nothing once its person or its client is disabled', async () => {
  const person = await flow.people.create();
  const client = await flow.register({});
  const { tokens } = await signIn(flow, await connect(flow, client), person.id);
  const call = () => fetch(`${flow.issuer}/userinfo`, { headers: { authorization: `Bearer ${tokens.access_token}` } });
  expect((await call()).status).toBe(200);
  await flow.people.set({ ...person, state: 'disabled' });
  expect((await call()).status).toBe(401);
  await flow.people.set(person);
  expect((await call()).status).toBe(200);
  await flow.clients.disable(client.id, {});
  expect((await call()).status).toBe(401);
});

test('S-087 claims follow the account as it is now', async () => {
  const person = await flow.people.create({ email: { address: 'old@example.com', verified: true } });
  const config = await connect(flow, await flow.register({}));
  const { tokens } = await signIn(flow, config, person.id, { parameters: { scope: 'openid email' } });
  await flow.people.set({ ...person, email: { address: 'new@example.com', verified: false } });
  expect(await oidc.fetchUserInfo(config, tokens.access_token, person.id)).toEqual({
    sub: person.id,
    email: 'new@example.com',
    email_verified: false,
  });
});

test('a client may ask for signed userinfo (userinfo-rs256)', async () => {
  const person = await flow.people.create();
  const client = await flow.register({ metadata: { userinfo_signed_response_alg: 'RS256' } });
  const config = await connect(flow, client, { metadata: { userinfo_signed_response_alg: 'RS256' } });
  const { tokens } = await signIn(flow, config, person.id);
  const response = await fetch(`${flow.issuer}/userinfo`, {
    headers: { authorization: `Bearer ${tokens.access_token}` },
  });
  expect(response.headers.get('content-type')).toContain('application/jwt');
  const keys = createRemoteJWKSet(new URL(`${flow.issuer}/.well-known/jwks.json`));
  const { payload } = await jwtVerify(await response.text(), keys, { issuer: flow.issuer, audience: client.id });
  expect(payload.sub).toBe(person.id);
});

test('S-086 neither what an account says nor what a client asks for replaces what the protocol says', async () => {
  const forged = { iss: 'https://evil.example', sub: 'somebody', aud: 'other', azp: 'other', nonce: 'forged' };
  const times = { exp: 4_102_444_800, iat: 1, auth_time: 1, acr: 'high', amr: ['hwk'], sid: 'forged', jti: 'forged' };
  const own = await startFlow({ claimsOf: () => ({ ...forged, ...times, name: 'Hana Kim' }) });
  try {
    const person = await own.people.create();
    const client = await own.register({});
    const asked = Object.fromEntries([...Object.keys({ ...forged, ...times }), 'name'].map((name) => [name, null]));
    const claims = JSON.stringify({ id_token: { ...asked, sub: { value: person.id } }, userinfo: asked });
    const config = await connect(own, client);
    const { tokens } = await signIn(own, config, person.id, { parameters: { claims } });
    const said = tokens.claims()!;
    expect(said).toMatchObject({ iss: own.issuer, sub: person.id, aud: client.id, amr: ['pwd'], name: 'Hana Kim' });
    expect(said.exp - said.iat).toBe(3600);
    for (const [name, value] of Object.entries({ ...forged, ...times }))
      expect([name, said[name]]).not.toEqual([name, value]);
    const userinfo = await oidc.fetchUserInfo(config, tokens.access_token, person.id);
    expect(userinfo.sub).toBe(person.id);
  } finally {
    await own.close();
  }
});

describe('S-025 a claims parameter that cannot be understood is a clean refusal', () => {
  test.each([
    ['no JSON', '{'],
    ['a list', '[]'],
    ['a number', '1'],
    ['null', 'null'],
    ['nothing known', '{"other":{}}'],
    ['a list of claims', '{"userinfo":["name"]}'],
    ['a text for a claim', '{"userinfo":{"name":"yes"}}'],
    ['a number for a claim', '{"id_token":{"email":1}}'],
    ['acr values that are no list', '{"id_token":{"acr":{"essential":true,"values":"a"}}}'],
    ['deep nesting', '['.repeat(3000)],
  ])('%s', async (_, claims) => {
    const person = await flow.people.create();
    const config = await connect(flow, await flow.register({}));
    await expect(signIn(flow, config, person.id, { parameters: { claims } })).rejects.toMatchObject({
      error: 'invalid_request',
    });
  });

  test('names that mean something to programs mean nothing here', async () => {
    const person = await flow.people.create();
    const config = await connect(flow, await flow.register({}));
    const claims = '{"userinfo":{"__proto__":null,"constructor":null,"toString":{"value":"\\u0000"},"name":null}}';
    const { tokens } = await signIn(flow, config, person.id, { parameters: { claims } });
    expect(await oidc.fetchUserInfo(config, tokens.access_token, person.id)).toEqual({
      sub: person.id,
      name: 'Hana Kim',
    });
    expect(({} as { name?: unknown }).name).toBeUndefined();
  });
});

test('S-052 a GET to an endpoint for forms is answered by 405 and says what it takes', async () => {
  for (const path of ['/token', '/introspect', '/revoke', '/par', '/logout/confirm']) {
    const response = await fetch(`${flow.issuer}${path}`);
    expect([path, response.status]).toEqual([path, 405]);
    expect(response.headers.get('allow')).toContain('POST');
  }
  expect((await post(`${flow.issuer}/.well-known/jwks.json`, {})).status).toBe(405);
});
