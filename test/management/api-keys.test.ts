import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Account } from '../../src/accounts/account.ts';
import type { Browser } from '../support/flow-browser.ts';
import { type Api, type Ask, startApi } from './api.ts';

let api: Api;
let person: Account;
let other: Account;
let administrator: Account;
let browser: Browser;
let adminBrowser: Browser;
/** May all that concerns its owner. */
let ownKey: string;
beforeAll(async () => {
  api = await startApi({ DAEMUN_API_KEYS_PER_OWNER: '30' });
  person = await api.person();
  other = await api.person();
  administrator = await api.person({ isAdministrator: true });
  browser = await api.signIn(person);
  adminBrowser = await api.signIn(administrator);
  const scopes = ['profile:read', 'sessions:read', 'sessions:write', 'api-keys:read', 'api-keys:write'];
  ({ value: ownKey } = await api.key({ kind: 'user', id: person.id }, scopes));
});
afterAll(() => api.close());

const rights = (...scopes: string[]) => ({ [api.resource]: scopes });
const body = (...scopes: string[]) => ({ name: 'Backups', access: rights(...scopes) });
const make = (ask: Ask, path = '/api-keys') => api.ask('POST', path, { body: body('profile:read'), ...ask });

async function exchangedFor(key: string): Promise<string> {
  const form = {
    client_id: 'api-keys',
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: key,
    subject_token_type: 'urn:daemun:oauth:token-type:api-key',
  };
  const answer = await fetch(`${api.issuer}/token`, { method: 'POST', body: new URLSearchParams(form) });
  return ((await answer.json()) as { access_token: string }).access_token;
}

describe('one’s own keys', () => {
  test('are made, used, listed, shown, changed, rotated and revoked, by a key', async () => {
    const made = await make({ bearer: ownKey });
    expect(made.status).toBe(201);
    const { id, key, hint } = made.json;
    expect(made.headers.get('location')).toBe(`/api/v1/api-keys/${id}`);
    expect(key).toMatch(/^sk-[0-9A-Za-z]{36}$/);
    expect(hint).toBe(key.slice(-4));
    expect((await api.ask('GET', '/me', { bearer: key })).status).toBe(200);

    const shown = await api.ask('GET', `/api-keys/${id}`, { bearer: ownKey });
    expect(shown.json).toMatchObject({ id, name: 'Backups', status: 'active', owner: { kind: 'user', id: person.id } });
    const list = await api.ask('GET', '/api-keys', { bearer: ownKey });
    expect(list.json.items.map((each: { id: string }) => each.id)).toContain(id);
    expect(shown.text + list.text).not.toContain(key.slice(3, 20));

    const changes = {
      name: 'Nightly backups',
      description: 'On the old server',
      allowedAddresses: ['127.0.0.1', '::1'],
    };
    const changed = await api.ask('PATCH', `/api-keys/${id}`, { bearer: ownKey, body: changes });
    expect(changed.json).toMatchObject({ name: 'Nightly backups', allowedAddresses: ['127.0.0.1/32', '::1/128'] });

    const rotated = await api.ask('POST', `/api-keys/${id}/rotate`, { bearer: ownKey });
    expect(rotated.status).toBe(201);
    expect(rotated.json).toMatchObject({ replaces: id, replaced: { id, rotatedTo: rotated.json.id } });
    // Both work during the overlap.
    for (const bearer of [key, rotated.json.key]) expect((await api.ask('GET', '/me', { bearer })).status).toBe(200);
    const again = await api.ask('POST', `/api-keys/${id}/rotate`, { bearer: ownKey, body: {} });
    expect(again).toMatchObject({ status: 409, json: { code: 'conflict' } });

    for (const path of [`/api-keys/${id}?reason=Not%20needed`, `/api-keys/${id}`]) {
      expect((await api.ask('DELETE', path, { bearer: ownKey })).status).toBe(204);
    }
    expect((await api.ask('GET', '/me', { bearer: key })).status).toBe(401);
    const revoked = await api.ask('GET', `/api-keys/${id}`, { bearer: ownKey });
    expect(revoked.json).toMatchObject({ status: 'revoked', revocationReason: 'Not needed' });
    expect((await api.ask('PATCH', `/api-keys/${id}`, { bearer: ownKey, body: { name: 'New' } })).status).toBe(409);
  });

  test('are made by a page with a session', async () => {
    const made = await api.askFromPage(browser, 'POST', '/api-keys', body('profile:read'));
    expect(made.status).toBe(201);
    expect((await api.askFromPage(browser, 'DELETE', `/api-keys/${made.json.id}`)).status).toBe(204);
  });

  test('are made by a token of the person with its scope, and may no more than the token', async () => {
    const token = await api.accessToken(person, 'openid profile:read api-keys:read api-keys:write', browser);
    const made = await make({ bearer: token });
    expect(made).toMatchObject({ status: 201, json: { createdBy: 'client:tests' } });
    const refused = await make({ bearer: token, body: body('sessions:write') });
    expect(refused).toMatchObject({ status: 400, json: { errors: [{ field: `access.${api.resource}` }] } });
  });

  test('come in pages whose cursors open nothing of others', async () => {
    const owner = { kind: 'user', id: other.id } as const;
    for (let index = 0; index < 5; index++) await api.key(owner, ['profile:read'], { name: `Key ${index}` });
    const { value } = await api.key(owner, ['api-keys:read']);
    const names: string[] = [];
    let path: string | undefined = '/api-keys?limit=4';
    let cursor = '';
    for (let pages = 0; path && pages < 5; pages++) {
      const { json, headers } = await api.ask('GET', path, { bearer: value });
      names.push(...json.items.map((each: { name: string }) => each.name));
      const link: string | undefined = /^<\/api\/v1([^>]+)>; rel="next"$/.exec(headers.get('link') ?? '')?.[1];
      expect(link?.includes(json.nextCursor ?? 'none') ?? false).toBe(json.nextCursor !== undefined);
      cursor = json.nextCursor ?? cursor;
      path = link;
    }
    expect(names).toEqual(['Test', 'Key 4', 'Key 3', 'Key 2', 'Key 1', 'Key 0']);
    const theirs = await api.ask('GET', `/api-keys?cursor=${cursor}`, { bearer: ownKey });
    for (const { owner } of theirs.json.items) expect(owner.id).toBe(person.id);
  });

  test('end at a limit', async () => {
    const crowded = await api.person();
    const owner = { kind: 'user', id: crowded.id } as const;
    const { value } = await api.key(owner, ['api-keys:write', 'profile:read']);
    for (let index = 0; index < 29; index++) await api.key(owner, ['profile:read']);
    expect(await make({ bearer: value })).toMatchObject({ status: 409, json: { code: 'conflict' } });
  });
});

describe('S-156 sign-in has to be fresh', () => {
  test('to make, change and rotate keys by a session: within 5 minutes; not to revoke them', async () => {
    browser = await api.signIn(person);
    const made = await api.askFromPage(browser, 'POST', '/api-keys', body('profile:read'));
    await api.ageSessions(person, 200);
    expect((await api.askFromPage(browser, 'PATCH', `/api-keys/${made.json.id}`, { name: 'A' })).status).toBe(200);
    await api.ageSessions(person, 150);
    for (const [method, path, given] of [
      ['POST', '/api-keys', body('profile:read')],
      ['PATCH', `/api-keys/${made.json.id}`, { name: 'B' }],
      ['POST', `/api-keys/${made.json.id}/rotate`, {}],
    ] as const) {
      const answer = await api.askFromPage(browser, method, path, given);
      expect(answer).toMatchObject({ status: 403, json: { code: 'fresh_sign_in_required', max_age: 300 } });
    }
    expect((await api.ask('GET', `/api-keys/${made.json.id}`, { browser })).json.name).toBe('A');
    expect((await api.askFromPage(browser, 'DELETE', `/api-keys/${made.json.id}`)).status).toBe(204);
  });

  test('to change what is others’: within 15 minutes', async () => {
    const { apiKey } = await api.key({ kind: 'user', id: other.id }, ['profile:read']);
    await api.ageSessions(administrator, 901);
    for (const [method, path, given] of [
      ['DELETE', `/api-keys/${apiKey.id}`, undefined],
      ['POST', '/service-accounts', { name: 'Late' }],
    ] as const) {
      const answer = await api.askFromPage(adminBrowser, method, path, given);
      expect(answer).toMatchObject({ status: 403, json: { code: 'fresh_sign_in_required', max_age: 900 } });
    }
    expect((await api.ask('GET', `/api-keys/${apiKey.id}`, { browser: adminBrowser })).status).toBe(200);
  });
});

describe('administrators', () => {
  // Whatever the tests before took.
  beforeAll(async () => {
    adminBrowser = await api.signIn(administrator);
  });

  test('make, see, change and revoke keys of others, which is recorded as theirs', async () => {
    const made = await api.askFromPage(adminBrowser, 'POST', `/api-keys?owner=user:${other.id}`, {
      ...body('profile:read'),
      expiresAt: null,
    });
    expect(made).toMatchObject({
      status: 201,
      json: { owner: { kind: 'user', id: other.id }, createdBy: administrator.id, expiresAt: null },
    });
    const { id } = made.json;
    const listed = await api.ask('GET', `/api-keys?owner=user:${other.id}`, { browser: adminBrowser });
    expect(listed.json.items[0].id).toBe(id);
    expect((await api.askFromPage(adminBrowser, 'PATCH', `/api-keys/${id}`, { name: 'Theirs' })).status).toBe(200);
    expect((await api.askFromPage(adminBrowser, 'DELETE', `/api-keys/${id}`)).status).toBe(204);
    const rows = await api.audited('api_key.revoked');
    expect(rows.at(-1)).toMatchObject({ actor: administrator.id, user_id: other.id });
  });

  test('make keys of the installation and of service accounts, and see all', async () => {
    const account = await api.askFromPage(adminBrowser, 'POST', '/service-accounts', {
      name: 'Nightly',
      access: rights('users:read'),
    });
    expect(account.status).toBe(201);
    const owners = [`service_account:${account.json.id}`, 'system'];
    for (const owner of owners) {
      const made = await api.askFromPage(adminBrowser, 'POST', `/api-keys?owner=${owner}`, body('users:read'));
      expect(made.status).toBe(201);
      expect((await api.ask('GET', '/users', { bearer: made.json.key })).status).toBe(200);
    }
    const all = await api.ask('GET', '/api-keys?owner=any&limit=100', { browser: adminBrowser });
    const kinds = new Set(all.json.items.map((each: { owner: { kind: string } }) => each.owner.kind));
    expect([...kinds].sort()).toEqual(['service_account', 'system', 'user']);
  });

  test('manage service accounts', async () => {
    const { json } = await api.askFromPage(adminBrowser, 'POST', '/service-accounts', { name: 'Reports' });
    const path = `/service-accounts/${json.id}`;
    const access = rights('profile:read');
    expect((await api.askFromPage(adminBrowser, 'PATCH', path, { access })).json.access).toEqual(access);
    expect((await api.askFromPage(adminBrowser, 'POST', `${path}/disable`)).status).toBe(204);
    expect((await api.ask('GET', path, { browser: adminBrowser })).json.state).toBe('disabled');
    expect((await api.askFromPage(adminBrowser, 'POST', `${path}/enable`)).status).toBe(204);
    const list = await api.ask('GET', '/service-accounts', { browser: adminBrowser });
    expect(list.json.items.map(({ id }: { id: string }) => id)).toContain(json.id);
    expect((await api.askFromPage(adminBrowser, 'DELETE', path)).status).toBe(204);
    expect((await api.ask('GET', path, { browser: adminBrowser })).status).toBe(404);
  });

  test('S-173 see of people what is named, and no more', async () => {
    const { json, text } = await api.ask('GET', `/users/${person.id}`, { browser: adminBrowser });
    expect(json).toMatchObject({ id: person.id, roles: [], state: 'active', email: { verified: false } });
    expect(text).not.toMatch(/password|generation|hash/i);
  });

  test('by a key: it gives nobody more than it has itself', async () => {
    const { value } = await api.key({ kind: 'user', id: administrator.id }, ['admin:api-keys:write', 'profile:read']);
    const path = `/api-keys?owner=user:${other.id}`;
    expect((await api.ask('POST', path, { bearer: value, body: body('profile:read') })).status).toBe(201);
    const more = await api.ask('POST', path, { bearer: value, body: body('sessions:write') });
    expect(more).toMatchObject({ status: 400, json: { code: 'bad_request' } });
    const { apiKey } = await api.key({ kind: 'user', id: other.id }, ['sessions:write']);
    const rotated = await api.ask('POST', `/api-keys/${apiKey.id}/rotate`, { bearer: value });
    expect(rotated).toMatchObject({ status: 400 });
    const accounts = await api.key({ kind: 'user', id: administrator.id }, ['service-accounts:write']);
    const made = await api.ask('POST', '/service-accounts', {
      bearer: accounts.value,
      body: { name: 'More', access: rights('admin:api-keys:write') },
    });
    expect(made.status).toBe(400);
  });
});

test('S-174 a key that is bound to addresses makes, changes and takes over none that works elsewhere', async () => {
  const owner = { kind: 'user', id: administrator.id } as const;
  const scopes = ['api-keys:write', 'admin:api-keys:write', 'profile:read'];
  const bound = await api.key(owner, scopes, { allowedAddresses: ['127.0.0.0/8', '::1'] });
  const free = await api.key(owner, ['profile:read']);
  const ofOther = await api.key({ kind: 'user', id: other.id }, ['profile:read']);
  const narrow = { ...body('profile:read'), allowedAddresses: ['127.0.0.1'] };
  const beyond = { status: 400, json: { field: 'allowedAddresses' } };
  for (const bearer of [bound.value, await exchangedFor(bound.value)]) {
    const ask = (method: string, path: string, given?: object) =>
      api.ask(method, `/api-keys${path}`, { bearer, ...(given && { body: given }) });
    for (const owned of ['', `?owner=user:${other.id}`]) {
      expect(await ask('POST', owned, body('profile:read'))).toMatchObject(beyond);
      expect(await ask('POST', owned, { ...narrow, allowedAddresses: ['127.0.0.0/7'] })).toMatchObject(beyond);
      expect((await ask('POST', owned, narrow)).status).toBe(201);
    }
    expect(await ask('PATCH', `/${bound.apiKey.id}`, { allowedAddresses: [] })).toMatchObject({ status: 400 });
    for (const { apiKey } of [free, ofOther]) {
      expect(await ask('PATCH', `/${apiKey.id}`, { name: 'Mine' })).toMatchObject(beyond);
      expect(await ask('POST', `/${apiKey.id}/rotate`)).toMatchObject(beyond);
    }
  }
});

describe('S-173, S-174 nobody else does what is for administrators', () => {
  beforeAll(async () => {
    browser = await api.signIn(person);
  });

  test.each([
    ['GET', '/users', false],
    ['GET', '/service-accounts', false],
    ['POST', '/service-accounts', true],
    ['GET', '/api-keys?owner=system', false],
    ['GET', '/api-keys?owner=any', false],
    ['POST', '/api-keys?owner=system', true],
  ])('%s %s', async (method, path, hasBody) => {
    const given = hasBody ? body('profile:read') : undefined;
    const bySession = await api.askFromPage(browser, method, path, given);
    const byKey = await api.ask(method, path, { bearer: ownKey, ...(given && { body: given }) });
    for (const { status, json } of [bySession, byKey]) expect([status, json.code]).toEqual([403, 'insufficient_scope']);
  });

  test('nor gives a key of theirs a scope that is for administrators, nor makes one that never ends', async () => {
    const scope = await make({ bearer: ownKey, body: body('users:read') });
    expect(scope).toMatchObject({ status: 400, json: { code: 'bad_request' } });
    expect(scope.json.errors[0].field).toBe(`access.${api.resource}`);
    const never = await api.askFromPage(browser, 'POST', '/api-keys', { ...body('profile:read'), expiresAt: null });
    expect(never).toMatchObject({ status: 400, json: { field: 'expiresAt' } });
    const elsewhere = await make({ bearer: ownKey, body: { name: 'x', access: { 'https://nowhere.example': [] } } });
    expect(elsewhere.status).toBe(400);
  });

  test('an administrative scope in a key is worth nothing once its owner is no administrator', async () => {
    const former = await api.person({ isAdministrator: true });
    const { value } = await api.key({ kind: 'user', id: former.id }, ['users:read', 'profile:read']);
    expect((await api.ask('GET', '/users', { bearer: value })).status).toBe(200);
    await api.services.database.pool.query('UPDATE users SET is_administrator = false WHERE id = $1', [former.id]);
    // A node remembers a key for half a second.
    const deadline = Date.now() + 15_000;
    let status = 200;
    while (status === 200 && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      ({ status } = await api.ask('GET', '/users', { bearer: value }));
    }
    expect(status).toBe(403);
  });
});

describe('S-172 what is not documented is refused, by its name', () => {
  test.each<[string, string, string, unknown, object]>([
    ['an unknown field', 'POST', '/api-keys', { name: 'x', access: { a: [] }, admin: true }, { field: 'admin' }],
    [
      'an owner in the body',
      'POST',
      '/api-keys',
      { name: 'x', access: { a: [] }, owner: 'system' },
      { field: 'owner' },
    ],
    ['a number for a text', 'POST', '/api-keys', { name: 1, access: { a: [] } }, { field: 'name' }],
    ['an object for a text', 'POST', '/api-keys', { name: { $ne: '' }, access: { a: [] } }, { field: 'name' }],
    ['an array for rights', 'POST', '/api-keys', { name: 'x', access: ['a'] }, { field: 'access' }],
    ['no rights at all', 'POST', '/api-keys', { name: 'x', access: {} }, { field: 'access' }],
    ['a body that is an array', 'POST', '/api-keys', [], { field: 'body' }],
    ['a body that is null', 'POST', '/api-keys', null, { field: 'body' }],
    ['a date without its offset', 'POST', '/api-keys', { name: 'x', access: { a: [] }, expiresAt: '2027-01-01' }, {}],
    ['no address', 'POST', '/api-keys', { name: 'x', access: { a: [] }, allowedAddresses: ['1.2.3'] }, {}],
    ['an unknown parameter', 'GET', '/api-keys?all=1', undefined, { field: undefined }],
    ['a parameter sent twice', 'GET', '/api-keys?limit=1&limit=2', undefined, { field: 'limit' }],
    ['a limit of nothing', 'GET', '/api-keys?limit=0', undefined, { field: 'limit' }],
    ['a limit too large', 'GET', '/api-keys?limit=101', undefined, { field: 'limit' }],
    ['a cursor of somebody else', 'GET', '/api-keys?cursor=abc', undefined, { field: 'cursor' }],
    ['a parameter where there is none', 'GET', '/me?x=1', undefined, {}],
    ['an owner who is nobody', 'GET', '/api-keys?owner=user:1', undefined, { field: 'owner' }],
  ])('%s', async (_case, method, path, given, expected) => {
    const answer = await api.ask(method, path, { bearer: ownKey, ...(given !== undefined && { body: given }) });
    expect(answer).toMatchObject({ status: 400, json: { code: 'bad_request' } });
    if ('field' in expected && expected.field) expect(answer.json.field).toBe(expected.field);
  });

  test.each<[string, Ask, number]>([
    ['a form', { raw: 'name=x', headers: { 'content-type': 'application/x-www-form-urlencoded' } }, 415],
    ['plain text', { raw: '{}', headers: { 'content-type': 'text/plain' } }, 415],
    ['no type', { raw: new Uint8Array([123, 125]) }, 415],
    ['another charset', { raw: '{}', headers: { 'content-type': 'application/json; charset=utf-16' } }, 415],
    ['compressed', { raw: '{}', headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' } }, 415],
    ['not JSON', { raw: '{"name":', headers: { 'content-type': 'application/json' } }, 400],
    ['not UTF-8', { raw: new Uint8Array([123, 255, 125]), headers: { 'content-type': 'application/json' } }, 400],
    ['too deep', { raw: '['.repeat(1000), headers: { 'content-type': 'application/json' } }, 400],
    ['too large', { raw: JSON.stringify('x'.repeat(70_000)), headers: { 'content-type': 'application/json' } }, 413],
  ])('a body that is %s', async (_case, ask, status) => {
    expect((await api.ask('POST', '/api-keys', { bearer: ownKey, ...ask })).status).toBe(status);
  });

  test('a body that tries to change what all objects are', async () => {
    const raw = `{"name":"x","access":{"${api.resource}":["profile:read"]},"__proto__":{"isAdministrator":true}}`;
    const answer = await api.ask('POST', '/api-keys', {
      bearer: ownKey,
      raw,
      headers: { 'content-type': 'application/json' },
    });
    expect(answer.status).toBe(400);
    expect(({} as { isAdministrator?: boolean }).isAdministrator).toBeUndefined();
  });
});

describe('S-170, S-171 methods and paths', () => {
  test.each([
    ['PUT', '/api-keys', 'GET'],
    ['DELETE', '/api-keys', 'POST'],
    ['POST', '/me', 'GET'],
    ['PATCH', '/me/sessions', 'DELETE'],
  ])('%s %s is not allowed, and says what is', async (method, path, allowed) => {
    const answer = await api.ask(method, path, { bearer: ownKey });
    expect(answer).toMatchObject({ status: 405, json: { code: 'method_not_allowed' } });
    expect(answer.headers.get('allow')).toContain(allowed);
  });

  test.each(['/API-KEYS', '/api-keys/', '//me', '/me/', '/%6De', '/me%2Fsessions', '/nothing', '/me/../users'])(
    '%s is nowhere, also for browsers in the form of programs',
    async (path) => {
      const url = `${api.issuer}/api/v1${path}`;
      const answer = await fetch(url, { headers: { accept: 'text/html', authorization: `Bearer ${ownKey}` } });
      // A dotted path is resolved before it is sent.
      expect([404, 403]).toContain(answer.status);
      expect(answer.headers.get('content-type')).toBe('application/problem+json');
    },
  );
});

test('S-175 every change is recorded with who did it and by what', async () => {
  const { value, apiKey } = await api.key({ kind: 'user', id: person.id }, ['api-keys:write', 'profile:read']);
  const { json } = await make({ bearer: value });
  const rows = await api.audited('api_key.created');
  expect(rows.at(-1)).toMatchObject({
    user_id: person.id,
    actor: `api_key:${apiKey.id}`,
    details: expect.objectContaining({ apiKey: json.id }),
  });
  expect(JSON.stringify(rows)).not.toContain(json.key);
});
