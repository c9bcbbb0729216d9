import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as oidc from 'openid-client';
import type { Account } from '../../src/accounts/account.ts';
import type { Browser } from '../support/flow-browser.ts';
import { connect } from '../support/flow-client.ts';
import { type Api, type ApiAnswer, type Ask, BY, REDIRECT_URI, startApi } from './api.ts';

let api: Api;
let person: Account;
let administrator: Account;
let browser: Browser;
let key: string;
beforeAll(async () => {
  api = await startApi();
  person = await api.person();
  administrator = await api.person({ isAdministrator: true });
  browser = await api.signIn(person);
  ({ value: key } = await api.key({ kind: 'user', id: person.id }, ['profile:read', 'api-keys:read']));
});
afterAll(() => api.close());

const cookie = () => browser.cookies.map(({ name, value }) => `${name}=${value}`).join('; ');
const challengeOf = ({ headers }: ApiAnswer) => headers.get('www-authenticate') ?? '';

describe('who asks is known by', () => {
  test('the session of a browser', async () => {
    const { status, json } = await api.ask('GET', '/me', { browser });
    expect([status, json]).toEqual([200, expect.objectContaining({ subject: person.id, kind: 'user', roles: [] })]);
    expect(json.authentication).toMatchObject({ method: 'session', amr: ['pwd'] });
    expect(json.profile).toMatchObject({ name: 'Hana Kim' });
  });

  test('the session of an administrator, which is one for as long as they are (S-174)', async () => {
    const other = await api.person({ isAdministrator: true });
    const signedIn = await api.signIn(other);
    const before = await api.ask('GET', '/me', { browser: signedIn });
    expect(before.json).toMatchObject({
      roles: ['administrator'],
      authentication: { method: 'administrator_session' },
    });
    await api.services.database.pool.query('UPDATE users SET is_administrator = false WHERE id = $1', [other.id]);
    const after = await api.ask('GET', '/me', { browser: signedIn });
    expect(after.json).toMatchObject({ roles: [], authentication: { method: 'session' } });
    expect((await api.ask('GET', '/users', { browser: signedIn })).status).toBe(403);
  });

  test('an API key of a person', async () => {
    const { status, json } = await api.ask('GET', '/me', { bearer: key });
    expect([status, json]).toEqual([200, expect.objectContaining({ subject: person.id, kind: 'user' })]);
    expect(json.authentication).toMatchObject({ method: 'api_key', scopes: ['api-keys:read', 'profile:read'] });
  });

  test('an API key of a service account, and of the installation', async () => {
    const outcome = await api.services.serviceAccounts.create(
      { name: 'Nightly', access: { [api.resource]: ['users:read'] } },
      BY,
    );
    const { id } = (outcome as { serviceAccount: { id: string } }).serviceAccount;
    const service = await api.key({ kind: 'service_account', id }, ['users:read']);
    const system = await api.key({ kind: 'system' }, ['users:read']);
    expect((await api.ask('GET', '/me', { bearer: service.value })).json).toMatchObject({
      kind: 'service_account',
      subject: id,
    });
    expect((await api.ask('GET', '/me', { bearer: system.value })).json).toMatchObject({ kind: 'system' });
    expect((await api.ask('GET', '/users', { bearer: system.value })).status).toBe(200);
    await api.services.serviceAccounts.disable(id, BY);
    expect((await api.ask('GET', '/me', { bearer: service.value })).status).toBe(401);
  });

  test('an access token of a person, with the scopes they agreed to', async () => {
    const token = await api.accessToken(person, 'openid profile:read', browser);
    const { status, json } = await api.ask('GET', '/me', { bearer: token });
    expect([status, json]).toEqual([200, expect.objectContaining({ subject: person.id })]);
    expect(json.authentication).toMatchObject({ method: 'access_token', clientId: 'tests', scopes: ['profile:read'] });
    const refused = await api.ask('GET', '/me/sessions', { bearer: token });
    expect(refused).toMatchObject({ status: 403, json: { code: 'insufficient_scope' } });
    expect(challengeOf(refused)).toContain('error="insufficient_scope", scope="sessions:read"');
  });

  test('S-174 nobody but an administrator is given a token with administrative scopes', async () => {
    const scopes = 'openid profile:read users:read admin:api-keys:write';
    const ofPerson = await api.ask('GET', '/me', { bearer: await api.accessToken(person, scopes, browser) });
    expect(ofPerson.json.authentication.scopes).toEqual(['profile:read']);
    const token = await api.accessToken(administrator, scopes);
    const claims = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString());
    expect(claims.scope.split(' ').sort()).toEqual(['admin:api-keys:write', 'profile:read', 'users:read']);
    expect((await api.ask('GET', '/users', { bearer: token })).status).toBe(200);
    const byPerson = JSON.parse(
      Buffer.from((await api.accessToken(person, scopes, browser)).split('.')[1]!, 'base64url').toString(),
    );
    expect(byPerson.scope).toBe('profile:read');
  });
});

test('S-049 a client of a service account is that account, as it is now; a client that acts for itself is nobody', async () => {
  const access = { [api.resource]: ['users:read', 'profile:read'] };
  const account = await api.services.serviceAccounts.create({ name: 'Reports', access }, BY);
  const { id } = (account as { serviceAccount: { id: string } }).serviceAccount;
  const tokenFor = async (client: string, more: object) => {
    const metadata = { grant_types: ['client_credentials'], response_types: [] };
    const made = await api.services.clients.create(
      { id: client, name: client, metadata, resources: [api.resource], ...more },
      BY,
    );
    const config = await connect(api, { id: client, secret: (made as { secret: string }).secret });
    return (await oidc.clientCredentialsGrant(config, { resource: api.resource, scope: 'users:read' })).access_token;
  };
  const bearer = await tokenFor('reports', { serviceAccountId: id });
  const me = await api.ask('GET', '/me', { bearer });
  expect(me.json).toMatchObject({ subject: id, kind: 'service_account', authentication: { scopes: ['users:read'] } });
  expect((await api.ask('GET', '/users', { bearer })).status).toBe(200);
  await api.services.serviceAccounts.change(id, { access: { [api.resource]: ['profile:read'] } }, BY);
  expect((await api.ask('GET', '/users', { bearer })).status).toBe(403);
  await api.services.serviceAccounts.disable(id, BY);
  expect((await api.ask('GET', '/me', { bearer })).status).toBe(401);
  expect((await api.ask('GET', '/me', { bearer: await tokenFor('itself', {}) })).status).toBe(401);
});

test('S-174 what an administrator was granted is refreshed without it once they are none', async () => {
  const metadata = {
    redirect_uris: [REDIRECT_URI],
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
  };
  const client = { id: 'refreshing', name: 'Refreshing', isFirstParty: true, metadata, resources: [api.resource] };
  expect((await api.services.clients.create(client, BY)).kind).toBe('created');
  const former = await api.person({ isAdministrator: true });
  const asked = { scope: 'openid profile:read users:read', resource: api.resource, client: 'refreshing' };
  const tokens = await api.tokens(former, asked);
  expect((await api.ask('GET', '/users', { bearer: tokens.access_token })).status).toBe(200);
  await api.services.database.pool.query('UPDATE users SET is_administrator = false WHERE id = $1', [former.id]);
  expect((await api.ask('GET', '/users', { bearer: tokens.access_token })).status).toBe(403);
  const config = await connect(api, { id: 'refreshing' });
  const refreshed = await oidc.refreshTokenGrant(config, tokens.refresh_token!, { resource: api.resource });
  expect(refreshed.scope).toBe('profile:read');
  expect((await api.ask('GET', '/users', { bearer: refreshed.access_token })).status).toBe(403);
});

test('S-064 a token that was exchanged for a key ends with the key, and may no more than it', async () => {
  const { value, apiKey } = await api.key({ kind: 'user', id: person.id }, ['profile:read', 'api-keys:read']);
  const exchanged = await fetch(`${api.issuer}/token`, {
    method: 'POST',
    body: new URLSearchParams({
      client_id: 'api-keys',
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: value,
      subject_token_type: 'urn:daemun:oauth:token-type:api-key',
      resource: api.resource,
    }),
  });
  const { access_token: bearer } = (await exchanged.json()) as { access_token: string };
  const me = await api.ask('GET', '/me', { bearer });
  expect([me.status, me.json]).toEqual([200, expect.objectContaining({ subject: person.id })]);
  expect(me.json.authentication).toMatchObject({
    method: 'access_token',
    apiKeyId: apiKey.id,
    scopes: ['api-keys:read', 'profile:read'],
  });
  const acting = { as: 'administrator' } as const;
  await api.services.apiKeys.change(apiKey.id, { access: { [api.resource]: ['profile:read'] } }, acting, BY);
  expect((await api.ask('GET', '/me', { bearer })).json.authentication.scopes).toEqual(['profile:read']);
  await api.services.apiKeys.change(apiKey.id, { allowedAddresses: ['192.0.2.0/24'] }, acting, BY);
  expect((await api.ask('GET', '/me', { bearer })).status).toBe(401);
  await api.services.apiKeys.change(apiKey.id, { allowedAddresses: [] }, acting, BY);
  expect((await api.ask('GET', '/me', { bearer })).status).toBe(200);
  await api.services.apiKeys.revoke(apiKey.id, acting, BY);
  expect((await api.ask('GET', '/me', { bearer })).status).toBe(401);
});

describe('nobody is known, 401, by', () => {
  test.each<[string, () => Ask | Promise<Ask>]>([
    ['nothing', () => ({})],
    ['a scheme that we do not know', () => ({ headers: { authorization: 'Basic YTpi' } })],
    ['an empty bearer', () => ({ headers: { authorization: 'Bearer ' } })],
    ['two words behind Bearer', () => ({ headers: { authorization: 'Bearer a b' } })],
    ['a key with a typing error', () => ({ bearer: `${key.slice(0, -1)}${key.endsWith('a') ? 'b' : 'a'}` })],
    ['a key that never was', () => ({ bearer: 'sk-000000000000000000000000000000000000' })],
    ['a key without rights here', () => keyElsewhere()],
    ['S-064 a revoked key', () => revokedKey()],
    ['a key used from elsewhere than it may', () => boundKey()],
    ['a token that is no JWT', () => ({ bearer: 'eyJhbGciOiJub25lIn0' })],
    ['S-038 a token that nobody signed', async () => ({ bearer: await unsigned() })],
    ['S-038 a token that was changed', async () => ({ bearer: await changed() })],
    ['S-040 an ID token', async () => ({ bearer: (await tokens()).id_token! })],
    ['S-040 a token for another resource server', async () => ({ bearer: await tokenForElsewhere() })],
    ['an opaque token for userinfo', async () => ({ bearer: (await tokens()).access_token })],
    ['a token that is bound to a key, since no proof is looked at', async () => ({ bearer: await boundToken() })],
    ['a token of a client that was disabled', async () => ({ bearer: await tokenOfDisabledClient() })],
    ['a session that does not exist', () => ({ headers: { cookie: `daemun_session=${'x'.repeat(43)}` } })],
    ['a session cookie that nobody signed', () => ({ headers: { cookie: cookie().split(';')[0]! } })],
  ])('%s', async (_case, given) => {
    const answer = await api.ask('GET', '/me', await given());
    expect(answer).toMatchObject({ status: 401, json: { code: 'unauthorized', status: 401 } });
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(challengeOf(answer)).toContain(
      `resource_metadata="${api.issuer}/.well-known/oauth-protected-resource/api/v1"`,
    );
  });

  async function keyElsewhere(): Promise<Ask> {
    const identifier = 'https://elsewhere.example.com';
    await api.services.resourceServers.create({ identifier, name: 'Elsewhere' }, BY);
    return { bearer: (await api.key({ kind: 'user', id: person.id }, { [identifier]: [] })).value };
  }

  async function revokedKey(): Promise<Ask> {
    const { value, apiKey } = await api.key({ kind: 'user', id: person.id }, ['profile:read']);
    expect((await api.ask('GET', '/me', { bearer: value })).status).toBe(200);
    await api.services.apiKeys.revoke(apiKey.id, { as: 'administrator' }, BY);
    return { bearer: value };
  }

  async function boundKey(): Promise<Ask> {
    const allowedAddresses = ['192.0.2.0/24'];
    return { bearer: (await api.key({ kind: 'user', id: person.id }, ['profile:read'], { allowedAddresses })).value };
  }

  const partsOf = async () => (await api.accessToken(person, 'openid profile:read', browser)).split('.');

  async function unsigned(): Promise<string> {
    return `${Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url')}.${(await partsOf())[1]}.`;
  }

  async function changed(): Promise<string> {
    const [header, claims, signature] = await partsOf();
    const more = { ...JSON.parse(Buffer.from(claims!, 'base64url').toString()), scope: 'profile:read api-keys:write' };
    return [header, Buffer.from(JSON.stringify(more)).toString('base64url'), signature].join('.');
  }

  const tokens = () => api.tokens(person, { scope: 'openid', browser });

  async function registerElsewhere(client: string): Promise<string> {
    const identifier = `https://${client}.example.com`;
    await api.services.resourceServers.create(
      { identifier, name: 'Elsewhere', scopes: [{ name: 'profile:read', description: 'Read' }] },
      BY,
    );
    const metadata = { redirect_uris: [REDIRECT_URI], token_endpoint_auth_method: 'none' };
    const resources = [identifier, api.resource];
    const outcome = await api.services.clients.create(
      { id: client, name: client, isFirstParty: true, metadata, resources },
      BY,
    );
    expect(outcome.kind).toBe('created');
    return identifier;
  }

  async function tokenForElsewhere(): Promise<string> {
    const resource = await registerElsewhere('elsewhere-client');
    const asked = { scope: 'openid profile:read', resource, browser, client: 'elsewhere-client' };
    return (await api.tokens(person, asked)).access_token;
  }

  async function tokenOfDisabledClient(): Promise<string> {
    await registerElsewhere('short-lived');
    const asked = { scope: 'openid profile:read', resource: api.resource, browser, client: 'short-lived' };
    const { access_token } = await api.tokens(person, asked);
    expect((await api.ask('GET', '/me', { bearer: access_token })).status).toBe(200);
    await api.services.clients.disable('short-lived', BY);
    return access_token;
  }

  async function boundToken(): Promise<string> {
    const asked = { scope: 'openid profile:read', resource: api.resource, browser, dpop: true };
    const { access_token, token_type } = await api.tokens(person, asked);
    expect(token_type.toLowerCase()).toBe('dpop');
    return access_token;
  }

  test('S-158 a token of a person whose access was ended', async () => {
    const other = await api.person();
    const token = await api.accessToken(other, 'openid profile:read');
    const { value } = await api.key({ kind: 'user', id: other.id }, ['profile:read']);
    const signedIn = await api.signIn(other);
    expect((await api.ask('GET', '/me', { bearer: token })).status).toBe(200);
    await api.services.accounts.disable(other.id, BY);
    await api.services.accounts.enable(other.id, BY);
    // A person who may sign in again has to: nothing from before comes back.
    expect((await api.ask('GET', '/me', { bearer: token })).status).toBe(401);
    expect((await api.ask('GET', '/me', { browser: signedIn })).status).toBe(401);
    await api.services.accounts.disable(other.id, BY);
    await expectSoon(401, () => api.ask('GET', '/me', { bearer: value }));
  });

  test('S-157 a token of a session that was signed out', async () => {
    const other = await api.person();
    const signedIn = await api.signIn(other);
    const token = await api.accessToken(other, 'openid profile:read', signedIn);
    expect((await api.ask('GET', '/me', { bearer: token })).status).toBe(200);
    const [session] = await api.services.sessions.list(other.id);
    await api.services.sessions.end({ userId: other.id, uid: session!.uid }, BY);
    expect((await api.ask('GET', '/me', { bearer: token })).status).toBe(401);
    expect((await api.ask('GET', '/me', { browser: signedIn })).status).toBe(401);
  });
});

test('what is wrong is told to the log and to nobody else', async () => {
  api.log.length = 0;
  const answers = [
    await api.ask('GET', '/me'),
    await api.ask('GET', '/me', { bearer: 'sk-000000000000000000000000000000000000' }),
    await api.ask('GET', '/me', { bearer: 'not.a.jwt' }),
    await api.ask('GET', '/users', { bearer: key }),
    await api.ask('GET', '/me', { browser, bearer: key }),
    await api.ask('POST', '/api-keys', { browser, body: {} }),
  ];
  expect(answers.map(({ status }) => status)).toEqual([401, 401, 401, 403, 400, 403]);
  const causes = api.log.flatMap((line) => /"cause":"(\w+)","operation"/.exec(line)?.[1] ?? []);
  expect(causes).toEqual(['no_credential', 'api_key', 'access_token', 'scope', 'ambiguous', 'cross_site']);
  for (const { text } of answers) expect(text).not.toMatch(/checksum|malformed|unknown_key|revoked/);
});

describe('S-170 two credentials, or one in the wrong place, are an error that says what to do', () => {
  test.each<[string, () => Ask, string]>([
    ['a session and a key', () => ({ browser, bearer: key }), '/me'],
    ['a dead session and a key', () => ({ bearer: key, headers: { cookie: 'daemun_session=gone' } }), '/me'],
    ['a key in the address', () => ({}), '/me?api_key=sk-x'],
    ['a token in the address beside a header', () => ({ bearer: key }), '/me?access_token=x'],
    ['a key in the address, in other letters', () => ({}), '/me?Token=x'],
  ])('%s', async (_case, given, path) => {
    const { status, json } = await api.ask('GET', path, given());
    expect([status, json.code]).toEqual([400, 'ambiguous_credentials']);
    expect(json.detail).toMatch(/Authorization/);
  });

  test('two Authorization headers', async () => {
    const authorization = [`Bearer ${key}`, `Bearer ${key}`];
    const status = await new Promise((resolve, reject) => {
      const sent = request(`${api.issuer}/api/v1/me`, { headers: { authorization } as never }, (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      });
      sent.on('error', reject).end();
    });
    expect(status).toBe(400);
  });
});

describe('S-155, S-170 a change by a session comes from a page of ours or not at all', () => {
  const body = { name: 'Mine', access: {} as Record<string, string[]> };

  test.each<[string, (token: string) => Record<string, string>]>([
    ['without a token', () => ({ origin: api.issuer, 'sec-fetch-site': 'same-origin' })],
    ['with the token of another browser', () => ({ origin: api.issuer, 'x-csrf-token': 'A'.repeat(43) })],
    ['from another site', (token) => ({ origin: 'https://evil.example', 'x-csrf-token': token })],
    ['from a neighbouring host', (token) => ({ 'sec-fetch-site': 'same-site', 'x-csrf-token': token })],
    ['across sites', (token) => ({ 'sec-fetch-site': 'cross-site', 'x-csrf-token': token, origin: api.issuer })],
    ['from nowhere in particular', (token) => ({ 'x-csrf-token': token })],
    ['from an opaque origin', (token) => ({ origin: 'null', 'x-csrf-token': token })],
  ])('%s', async (_case, headers) => {
    const { json } = await api.ask('GET', '/me/csrf-token', { browser });
    body.access = { [api.resource]: ['profile:read'] };
    const answer = await api.ask('POST', '/api-keys', { browser, body, headers: headers(json.token) });
    expect(answer).toMatchObject({ status: 403, json: { code: 'cross_site_request' } });
  });

  test('a key needs none of it', async () => {
    const { value } = await api.key({ kind: 'user', id: person.id }, ['api-keys:write', 'profile:read']);
    body.access = { [api.resource]: ['profile:read'] };
    const headers = { origin: 'https://app.example', 'sec-fetch-site': 'cross-site' };
    expect((await api.ask('POST', '/api-keys', { bearer: value, body, headers })).status).toBe(201);
  });
});

test('the metadata of our API as a resource server say where to get a token (RFC 9728)', async () => {
  const { status, json } = await api.ask('GET', '/.well-known/oauth-protected-resource/api/v1');
  expect([status, json]).toEqual([
    200,
    expect.objectContaining({
      resource: api.resource,
      authorization_servers: [api.issuer],
      bearer_methods_supported: ['header'],
    }),
  ]);
});

/** A key ends with its owner as soon as no node remembers it as it was. */
async function expectSoon(status: number, ask: () => Promise<ApiAnswer>): Promise<void> {
  const deadline = Date.now() + 15_000;
  let answer = await ask();
  while (answer.status !== status && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    answer = await ask();
  }
  expect(answer.status).toBe(status);
}
