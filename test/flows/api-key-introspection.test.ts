import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import * as oidc from 'openid-client';
import type { Account } from '../../src/accounts/account.ts';
import { createApiKeyIntrospection } from '../../src/provider/api-key-introspection.ts';
import { basic, connect, post } from '../support/flow-client.ts';
import { type Flow, startFlow } from '../support/flow-server.ts';
import { recordStatements } from '../support/recorded-statements.ts';

const API = 'https://api.example.com/';
const OTHER = 'https://other.example.com/';
const INACTIVE = [200, JSON.stringify({ active: false })];

let flow: Flow;
let person: Account;
let api: { id: string; secret: string };
let both: { id: string; secret: string };
beforeAll(async () => {
  flow = await startFlow();
  const scopes = ['read', 'write'].map((name) => ({ name, description: name }));
  await flow.registerResource({ identifier: API, name: 'API', scopes, accessTokenFormat: 'opaque' });
  await flow.registerResource({ identifier: OTHER, name: 'Other', scopes });
  api = await register([API]);
  both = await register([API, OTHER]);
});
afterAll(() => flow.close());
beforeEach(async () => {
  person = await flow.people.create();
});

const register = (resources: string[], metadata = {}) =>
  flow.register({ metadata: { grant_types: ['client_credentials'], redirect_uris: [], ...metadata }, resources });

const keyOf = (access: Record<string, string[]>, more = {}) =>
  flow.apiKeys.make({ kind: 'user', id: person.id }, { access, ...more });

function look(token: string, as = api, more: string[][] = []) {
  return post(`${flow.issuer}/introspect`, new URLSearchParams([['token', token], ...more]).toString(), basic(as));
}

describe('a resource server', () => {
  test('learns whose a key is and what it may there', async () => {
    const key = await keyOf({ [API]: ['read', 'write'] });
    const answer = await oidc.tokenIntrospection(await connect(flow, api), key.value);
    expect(answer).toEqual({
      active: true,
      iss: flow.issuer,
      sub: person.id,
      aud: API,
      scope: 'read write',
      iat: Math.floor(key.createdAt.getTime() / 1000),
      exp: Math.floor(key.expiresAt!.getTime() / 1000),
      jti: key.id,
      token_type: 'Bearer',
    });
  });

  test('learns it whatever it takes the key for, and keeps nothing of the answer', async () => {
    const { value } = await keyOf({ [API]: ['read'] });
    for (const hint of ['access_token', 'refresh_token', 'urn:daemun:oauth:token-type:api-key', '']) {
      const { json, headers } = await look(value, api, [['token_type_hint', hint]]);
      expect([json.active, headers.get('cache-control')]).toEqual([true, 'no-store']);
    }
  });

  test('is told no end of a key that never ends, and no scopes of one without', async () => {
    const { value } = await flow.apiKeys.make({ kind: 'system' }, { access: { [API]: [] }, expiresAt: null });
    const { json } = await look(value);
    expect(json).toMatchObject({ active: true, sub: 'urn:daemun:system' });
    expect(json).not.toHaveProperty('exp');
    expect(json).not.toHaveProperty('scope');
  });

  test('S-065 learns nothing of what the key may elsewhere', async () => {
    const { value } = await keyOf({ [API]: ['read'], [OTHER]: ['write'] });
    expect((await look(value)).json).toMatchObject({ aud: API, scope: 'read' });
  });

  test('S-073 of several resource servers never takes the scopes of one for those of another', async () => {
    const { value } = await keyOf({ [API]: ['read'], [OTHER]: ['read', 'write'] });
    expect((await look(value, both)).json).toMatchObject({ aud: [API, OTHER], scope: 'read' });
    expect((await look(value, both, [['resource', OTHER]])).json).toMatchObject({ aud: OTHER, scope: 'read write' });
    expect((await look(value, both, [['resource', 'https://API.example.com']])).json).toMatchObject({ aud: API });
    const all = [
      ['resource', API],
      ['resource', OTHER],
    ];
    expect((await look(value, both, all)).json).toMatchObject({ aud: [API, OTHER], scope: 'read' });
    expect((await look(value, api, all)).json).toMatchObject({ aud: API, scope: 'read' });
    expect((await look(value, both, [['resource', 'https://nobody.example.com/']])).json).toEqual({ active: false });
  });

  test('hears of the rights that the owner has lost since', async () => {
    const id = await flow.apiKeys.makeServiceAccount({ [API]: ['read', 'write'] });
    const { value } = await flow.apiKeys.make(
      { kind: 'service_account', id },
      { access: { [API]: ['read', 'write'] } },
    );
    expect((await look(value)).json).toMatchObject({ sub: id, scope: 'read write' });
    await flow.apiKeys.serviceAccounts.change(id, { access: { [API]: ['write'] } }, {});
    expect((await look(value)).json).toMatchObject({ sub: id, scope: 'write' });
  });

  test('says where a key came from that may come from some addresses only', async () => {
    const { value } = await keyOf({ [API]: ['read'] }, { allowedAddresses: ['192.0.2.0/24', '2001:db8::/48'] });
    const from = (address: string) => look(value, api, [['address', address]]);
    expect((await from('192.0.2.7')).json.active).toBe(true);
    expect((await from('::ffff:192.0.2.7')).json.active).toBe(true);
    expect((await from('2001:DB8::1')).json.active).toBe(true);
    expect((await from('198.51.100.7')).json).toEqual({ active: false });
    expect((await from('')).json).toEqual({ active: false });
    expect((await look(value)).json).toEqual({ active: false });
  });
});

describe('S-052 S-065 looks like what never was:', () => {
  test.each<[string, () => Promise<[string, { id: string; secret: string }?]>]>([
    ['a key for another resource server', async () => [(await keyOf({ [OTHER]: ['read'] })).value]],
    [
      'a key, to a client of no resource server',
      async () => [(await keyOf({ [API]: ['read'] })).value, await register([])],
    ],
    ['a mistyped key', async () => [`${(await keyOf({ [API]: ['read'] })).value.slice(0, -6)}000000`]],
    ['a key that was cut off', async () => [(await keyOf({ [API]: ['read'] })).value.slice(0, -1)]],
    ['S-067 a key with something after it', async () => [`${(await keyOf({ [API]: ['read'] })).value}0`]],
    ['the bare prefix', async () => ['sk-']],
    [
      'an unknown key',
      async () => {
        const { value, id } = await keyOf({ [API]: ['read'] });
        await flow.apiKeys.tamper(id, `digest = sha256('unknown')`);
        return [value];
      },
    ],
    [
      'an expired key',
      async () => {
        const { value, id } = await keyOf({ [API]: ['read'] });
        await flow.apiKeys.tamper(id, `expires_at = now() - interval '1 second'`);
        return [value];
      },
    ],
    [
      'S-064 a key that was revoked a moment ago',
      async () => {
        const { value, id } = await keyOf({ [API]: ['read'] });
        expect((await look(value)).json.active).toBe(true);
        await flow.apiKeys.revokeNow(id);
        return [value];
      },
    ],
    [
      'S-066 a key of somebody who was disabled',
      async () => {
        const { value } = await keyOf({ [API]: ['read'] });
        await flow.people.set({ ...person, state: 'disabled' });
        return [value];
      },
    ],
  ])('%s', async (_, prepare) => {
    const [token, as] = await prepare();
    const { status, text } = await look(token, as);
    expect([status, text]).toEqual(INACTIVE);
  });

  test('S-065 everything, to whoever does not authenticate', async () => {
    const { value } = await keyOf({ [API]: ['read'] });
    for (const answer of [
      await post(`${flow.issuer}/introspect`, { token: value }),
      await post(`${flow.issuer}/introspect`, { token: value, client_id: api.id }),
      await post(`${flow.issuer}/introspect`, { token: value }, basic({ id: api.id, secret: 'wrong' })),
      await post(`${flow.issuer}/introspect`, { token: value }, { authorization: `Bearer ${value}` }),
    ]) {
      expect([400, 401]).toContain(answer.status);
      expect(answer.json).not.toHaveProperty('active');
    }
    const open = await flow.register({
      metadata: { grant_types: ['authorization_code'], token_endpoint_auth_method: 'none' },
      resources: [API],
    });
    for (const client_id of [open.id, 'api-keys']) {
      const { status, text } = await post(`${flow.issuer}/introspect`, { token: value, client_id });
      expect([status, text]).toEqual(INACTIVE);
    }
  });

  test('S-047 everything, to a client that was disabled', async () => {
    const { value } = await keyOf({ [API]: ['read'] });
    const client = await register([API]);
    expect((await look(value, client)).json.active).toBe(true);
    await flow.clients.disable(client.id, {});
    expect((await look(value, client)).json.error).toBe('invalid_client');
  });
});

test.each([
  [
    'S-005 an address twice',
    [
      ['address', '192.0.2.1'],
      ['address', '192.0.2.2'],
    ],
  ],
  ['what is no address', [['address', '192.0.2']]],
  ['a name instead of an address', [['address', 'localhost']]],
])('%s is refused as a mistake of the resource server', async (_, more) => {
  const { value } = await keyOf({ [API]: ['read'] });
  const { status, json } = await look(value, api, more);
  expect([status, json.error]).toEqual([400, 'invalid_request']);
  expect(json).not.toHaveProperty('active');
});

test('S-038 a key in the address is refused', async () => {
  const { value } = await keyOf({ [API]: ['read'] });
  const { status, json } = await post(`${flow.issuer}/introspect?token=${value}`, {}, basic(api));
  expect([status, json.error]).toEqual([400, 'invalid_request']);
});

test('S-062 a client cannot revoke a key as if it were its token, and a key opens no door of people', async () => {
  const { value } = await keyOf({ [API]: ['read'] });
  expect((await post(`${flow.issuer}/revoke`, { token: value }, basic(api))).status).toBe(200);
  expect((await look(value)).json.active).toBe(true);
  const userinfo = await fetch(`${flow.issuer}/userinfo`, { headers: { authorization: `Bearer ${value}` } });
  expect(userinfo.status).toBe(401);
});

test('one statement finds a key, and none what is known or cannot be one; tokens are not looked through', async () => {
  const { value } = await keyOf({ [API]: ['read'] });
  const statements = recordStatements(flow.database.pool);
  const lookUps = () => statements.map(({ text }) => /api_keys_by_digest|protocol_artifacts/.exec(text)?.[0]);
  const asked = () => lookUps().filter((table) => table !== undefined);
  await look(value);
  expect(asked()).toEqual(['api_keys_by_digest']);
  await look(`${value.slice(0, -6)}000000`);
  await look(value.slice(0, -1));
  expect(asked()).toEqual(['api_keys_by_digest']);
  await look('x'.repeat(43));
  expect(asked()).toContain('protocol_artifacts');
});

test('a token of the engine that begins like a key is a token, whatever keys begin with', async () => {
  const answers = async (prefix: string, token: string) => {
    const asked: string[] = [];
    const { passOver } = createApiKeyIntrospection({
      issuer: flow.issuer,
      prefix,
      apiKeyCheck: { ...flow.apiKeys.check, looksLikeApiKey: (presented) => presented.startsWith(prefix) },
    });
    const adapter = { find: async (value: string) => void asked.push(value) };
    await passOver('AccessToken', adapter as never).find(token);
    return asked.length === 1 ? 'token' : 'key';
  };
  const { value } = await keyOf({ [API]: ['read'] });
  expect(await answers('sk-', value)).toBe('key');
  expect(await answers('sk-', `sk-${'a'.repeat(40)}`)).toBe('token');
  // Keys with a prefix of this length are as long as tokens.
  expect(await answers('acme_k-', `acme_k-${'a'.repeat(36)}`)).toBe('token');
  expect(await answers('acme_k-', `acme_k-${'a'.repeat(35)}`)).toBe('key');
});

test('the log has why a key was refused, and the key nowhere', async () => {
  const { value, id } = await keyOf({ [OTHER]: ['read'] });
  flow.apiKeys.refusals.length = 0;
  await look(value);
  await look(`${value.slice(0, -6)}000000`);
  expect(flow.apiKeys.refusals).toEqual([{ cause: 'resource', apiKey: id }, { cause: 'checksum' }]);
  expect(flow.log.join('')).not.toContain(value.slice(0, -6));
});
