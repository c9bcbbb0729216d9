import { describe, expect, test } from '@jest/globals';
import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import * as oidc from 'openid-client';
import type { Account } from '../../src/accounts/account.ts';
import { ownApiIdentifier } from '../../src/api-keys/own-api.ts';
import { TOKEN_EXCHANGE } from '../../src/clients/client-metadata.ts';
import { API_KEY_TOKEN_TYPE } from '../../src/provider/grants/exchange-request.ts';
import { API, type ExchangeForm, OPAQUE, OTHER, useExchanges } from '../support/flow-api-key-exchange.ts';
import { basic, connect, post } from '../support/flow-client.ts';
import type { Flow } from '../support/flow-server.ts';

const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const JWT = 'urn:ietf:params:oauth:token-type:jwt';

let flow: Flow;
let person: Account;
const { exchange, keyOf, register } = useExchanges((world) => {
  ({ flow, person } = world);
});

describe('who has nothing but a key', () => {
  test('gets a short JWT for it that any resource server checks alone', async () => {
    const key = await keyOf({ [API]: ['read', 'write'] });
    const config = await connect(flow, { id: 'api-keys' });
    const tokens = await oidc.genericGrantRequest(config, TOKEN_EXCHANGE, {
      subject_token: key.value,
      subject_token_type: API_KEY_TOKEN_TYPE,
      resource: API,
    });
    expect(tokens).toMatchObject({
      issued_token_type: ACCESS_TOKEN,
      token_type: 'bearer',
      expires_in: 300,
      scope: 'read write',
    });
    expect(tokens).not.toHaveProperty('refresh_token');
    const jwks = createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri!));
    const { payload } = await jwtVerify(tokens.access_token, jwks, {
      issuer: flow.issuer,
      audience: API,
      typ: 'at+jwt',
    });
    expect(payload).toEqual({
      iss: flow.issuer,
      sub: person.id,
      aud: API,
      client_id: 'api-keys',
      scope: 'read write',
      jti: expect.any(String),
      iat: expect.any(Number),
      exp: payload.iat! + 300,
      daemun_api_key: key.id,
    });
  });

  test('finds the grant in the discovery document', async () => {
    const config = await connect(flow, { id: 'api-keys' });
    expect(config.serverMetadata().grant_types_supported).toContain(TOKEN_EXCHANGE);
  });

  test('S-053 gets less when asking for less, and is told', async () => {
    const { value } = await keyOf({ [API]: ['erase', 'read', 'write'] });
    const { json } = await exchange(value, { scope: 'write read', resource: API });
    expect([json.scope, decodeJwt(json.access_token).scope]).toEqual(['read write', 'read write']);
  });

  test('need not name the resource server when there is only one', async () => {
    const { value } = await keyOf({ [API]: ['read'] });
    expect(decodeJwt((await exchange(value)).json.access_token).aud).toBe(API);
  });

  test('comes from where the key may be used', async () => {
    const { value } = await keyOf({ [API]: ['read'] }, { allowedAddresses: ['127.0.0.0/8', '::1'] });
    expect((await exchange(value)).status).toBe(200);
  });

  test.each<[string, ExchangeForm]>([
    ['by audience', { audience: API }],
    ['by both, alike', { audience: API, resource: API }],
    ['by both, in two spellings', { audience: 'https://API.example.com', resource: API }],
    ['as an access token', { requested_token_type: ACCESS_TOKEN }],
  ])('may ask %s', async (_, form) => {
    const { value } = await keyOf({ [API]: ['read'], [OTHER]: ['read'] });
    const { json } = await exchange(value, { resource: API, ...form });
    expect(decodeJwt(json.access_token)).toMatchObject({ aud: API, scope: 'read' });
  });

  test('may call it a JWT, and has that confirmed', async () => {
    const { value } = await keyOf({ [API]: [] });
    const { json } = await exchange(value, { requested_token_type: JWT });
    expect([json.issued_token_type, decodeProtectedHeader(json.access_token).typ]).toEqual([JWT, 'at+jwt']);
    expect(json).not.toHaveProperty('scope');
  });

  test('S-072 gets tokens for our own API as for any other', async () => {
    const own = ownApiIdentifier(flow.issuer);
    const { value } = await keyOf({ [own]: ['profile:read'] });
    expect(decodeJwt((await exchange(value, { resource: own })).json.access_token)).toMatchObject({
      aud: own,
      scope: 'profile:read',
      sub: person.id,
    });
  });

  test('gets tokens that live no longer than the resource server wants, and no longer than the key', async () => {
    const { value } = await keyOf({ [OTHER]: ['read'] });
    expect((await exchange(value)).json.expires_in).toBe(120);
    const ending = await keyOf({ [API]: ['read'] }, { expiresAt: new Date(Date.now() + 60_000).toISOString() });
    const { expires_in } = (await exchange(ending.value)).json;
    expect(expires_in).toBeGreaterThan(0);
    expect(expires_in).toBeLessThanOrEqual(60);
  });

  test('the installation has a subject that is nobody’s id', async () => {
    const { value } = await flow.apiKeys.make({ kind: 'system' }, { access: { [API]: ['read'] } });
    expect(decodeJwt((await exchange(value)).json.access_token).sub).toBe('urn:daemun:system');
  });

  test('S-051 the answer is JSON that nobody keeps', async () => {
    const { value } = await keyOf({ [API]: ['read'] });
    const { headers } = await exchange(value);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('content-type')).toMatch(/^application\/json/);
  });
});

describe('S-054 a key that does not hold now gets the same answer, whatever is wrong:', () => {
  const INVALID = JSON.stringify({ error: 'invalid_grant', error_description: 'grant request is invalid' });

  test.each<[string, string, () => Promise<string>]>([
    ['no key at all', 'malformed', async () => 'nonsense'],
    ['a token of somebody', 'malformed', async () => 'x'.repeat(43)],
    ['a mistyped key', 'checksum', async () => `${(await keyOf({ [API]: ['read'] })).value.slice(0, -6)}000000`],
    [
      'a key of another installation',
      'unknown',
      async () => {
        const { value, id } = await keyOf({ [API]: ['read'] });
        await flow.apiKeys.tamper(id, `digest = sha256('another')`);
        return value;
      },
    ],
    [
      'a revoked key',
      'revoked',
      async () => {
        const { value, id } = await keyOf({ [API]: ['read'] });
        await flow.apiKeys.revokeNow(id);
        return value;
      },
    ],
    [
      'an expired key',
      'expired',
      async () => {
        const { value, id } = await keyOf({ [API]: ['read'] });
        await flow.apiKeys.tamper(id, `expires_at = now() - interval '1 second'`);
        return value;
      },
    ],
    [
      'a key from another address',
      'address',
      async () => (await keyOf({ [API]: ['read'] }, { allowedAddresses: ['192.0.2.0/24'] })).value,
    ],
    [
      'S-158 a key of somebody who was disabled',
      'owner_disabled',
      async () => {
        const { value } = await keyOf({ [API]: ['read'] });
        await flow.people.set({ ...person, state: 'disabled' });
        return value;
      },
    ],
    [
      'S-047 a key of a service account that was disabled',
      'owner_disabled',
      async () => {
        const id = await flow.apiKeys.makeServiceAccount({ [API]: ['read'] });
        const { value } = await flow.apiKeys.make({ kind: 'service_account', id }, { access: { [API]: ['read'] } });
        await flow.apiKeys.serviceAccounts.disable(id, {});
        return value;
      },
    ],
    [
      'a key that is left without anything it may',
      'resource',
      async () => {
        const id = await flow.apiKeys.makeServiceAccount({ [API]: ['read'] });
        const { value } = await flow.apiKeys.make({ kind: 'service_account', id }, { access: { [API]: ['read'] } });
        await flow.apiKeys.serviceAccounts.change(id, { access: {} }, {});
        return value;
      },
    ],
  ])('%s', async (_, cause, prepare) => {
    const token = await prepare();
    flow.apiKeys.refusals.length = 0;
    const { status, text } = await exchange(token, { resource: API });
    expect([status, text]).toEqual([400, INVALID]);
    expect(flow.apiKeys.refusals).toEqual([expect.objectContaining({ cause })]);
  });
});

describe('refused is', () => {
  test.each<[string, ExchangeForm, string]>([
    ['no subject token', { subject_token: [] }, 'invalid_request'],
    ['no type', { subject_token_type: [] }, 'invalid_request'],
    ['S-054 an access token as subject', { subject_token_type: ACCESS_TOKEN }, 'invalid_request'],
    [
      'S-054 a token of another kind',
      { subject_token_type: 'urn:ietf:params:oauth:token-type:saml2' },
      'invalid_request',
    ],
    ['S-005 two subject tokens', { subject_token: ['sk-a', 'sk-b'] }, 'invalid_request'],
    ['S-005 two types', { subject_token_type: [API_KEY_TOKEN_TYPE, API_KEY_TOKEN_TYPE] }, 'invalid_request'],
    ['S-054 an actor besides the client', { actor_token: 'x', actor_token_type: ACCESS_TOKEN }, 'invalid_request'],
    ['S-054 an actor of no type', { actor_token: 'x' }, 'invalid_request'],
    ['S-071 an ID token', { requested_token_type: 'urn:ietf:params:oauth:token-type:id_token' }, 'invalid_request'],
    [
      'S-055 a refresh token',
      { requested_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' },
      'invalid_request',
    ],
    ['S-073 an unknown resource server', { resource: 'https://nobody.example.com/' }, 'invalid_target'],
    ['S-073 another resource server than the key is for', { resource: OTHER }, 'invalid_target'],
    ['S-073 what is no URI', { resource: 'constructor' }, 'invalid_target'],
    ['S-073 two resource servers', { resource: [API, OTHER] }, 'invalid_target'],
    ['S-073 the same one twice', { resource: [API, API] }, 'invalid_target'],
    ['S-073 two audiences', { audience: [API, OTHER] }, 'invalid_target'],
    ['S-073 an audience that is not the resource', { resource: API, audience: OTHER }, 'invalid_target'],
    [
      'S-073 an unknown audience beside the resource',
      { resource: API, audience: 'https://nobody.example.com/' },
      'invalid_target',
    ],
    ['S-053 a scope that the key has not', { resource: API, scope: 'read erase' }, 'invalid_scope'],
    ['S-053 a scope that does not exist', { resource: API, scope: 'read everything' }, 'invalid_scope'],
    ['S-053 an identity scope', { resource: API, scope: 'openid' }, 'invalid_scope'],
  ])('%s', async (_, form, error) => {
    const { value } = await keyOf({ [API]: ['read'] });
    const { status, json, headers } = await exchange(value, form);
    expect([status, json.error]).toEqual([400, error]);
    expect(json).not.toHaveProperty('access_token');
    expect(headers.get('cache-control')).toBe('no-store');
  });

  test('S-073 a key for several resource servers, when none is named', async () => {
    const { value } = await keyOf({ [API]: ['read'], [OTHER]: ['read'] });
    const { json } = await exchange(value);
    expect([json.error, json.error_description]).toEqual(['invalid_target', expect.stringContaining('name one')]);
  });

  test('a resource server that cannot check offline, with what to do instead', async () => {
    const { value } = await keyOf({ [OPAQUE]: ['read'] });
    const { json } = await exchange(value);
    expect([json.error, json.error_description]).toEqual(['invalid_target', expect.stringContaining('introspects')]);
  });

  test.each(['subject_token', 'actor_token', 'resource', 'audience', 'scope'])(
    'S-038 %s in the address',
    async (name) => {
      const form = { grant_type: TOKEN_EXCHANGE, subject_token_type: API_KEY_TOKEN_TYPE, client_id: 'api-keys' };
      const { status, json } = await post(`${flow.issuer}/token?${name}=sk-x`, { ...form, subject_token: 'sk-x' });
      expect([status, json.error]).toEqual([400, 'invalid_request']);
    },
  );

  test.each(['authorization_code', 'refresh_token', 'client_credentials', 'password'])(
    'S-048 the grant %s, for the built-in client',
    async (grant_type) => {
      const { json } = await post(`${flow.issuer}/token`, {
        grant_type,
        client_id: 'api-keys',
        code: 'x',
        scope: 'read',
      });
      expect(['invalid_request', 'unsupported_grant_type']).toContain(json.error);
      expect(json).not.toHaveProperty('access_token');
    },
  );

  test('S-003 the built-in client at the authorization endpoint', async () => {
    const query = 'client_id=api-keys&response_type=code&scope=openid&redirect_uri=https%3A%2F%2Fapp.example.com%2F';
    const answer = await fetch(`${flow.issuer}/authorize?${query}`, { redirect: 'manual' });
    expect([answer.status, answer.headers.get('location')]).toEqual([400, null]);
  });

  test('S-040 a secret of the built-in client, which has none', async () => {
    const { value } = await keyOf({ [API]: ['read'] });
    expect((await exchange(value, {}, basic({ id: 'api-keys', secret: 'guess' }))).json.error).toBe('invalid_client');
  });

  test('S-050 a client that takes the name of the built-in one', async () => {
    const outcome = await flow.clients.create(
      { id: 'api-keys', name: 'Mine', metadata: { grant_types: ['client_credentials'] } },
      {},
    );
    expect(outcome).toMatchObject({ kind: 'refused', problems: [{ field: 'id' }] });
    expect(await flow.clients.disable('api-keys', {})).toBe('not_found');
    expect(await flow.clients.update('api-keys', { resources: [API] }, {})).toEqual({ kind: 'not_found' });
  });

  test('a client that was not registered for it', async () => {
    const { value } = await keyOf({ [API]: ['read'] });
    const client = await register({ grant_types: ['client_credentials'] });
    expect((await exchange(value, {}, basic(client))).json.error).toBe('invalid_request');
  });
});
