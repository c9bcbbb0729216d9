import { describe, expect, test } from '@jest/globals';
import { decodeJwt } from 'jose';
import * as oidc from 'openid-client';
import type { Account } from '../../src/accounts/account.ts';
import { TOKEN_EXCHANGE } from '../../src/clients/client-metadata.ts';
import { API_KEY_TOKEN_TYPE } from '../../src/provider/grants/exchange-request.ts';
import { API, type ExchangeForm, exchangeKey, OTHER, useExchanges } from '../support/flow-api-key-exchange.ts';
import { basic, connect } from '../support/flow-client.ts';
import { type Flow, startFlow } from '../support/flow-server.ts';

let flow: Flow;
let person: Account;
const { exchange, keyOf, register } = useExchanges((world) => {
  ({ flow, person } = world);
});

describe('a registered client', () => {
  test('acts for the owner of the key, and the token says so', async () => {
    const { value } = await keyOf({ [API]: ['read'] });
    const client = await register();
    const { json } = await exchange(value, { resource: API }, basic(client));
    expect(decodeJwt(json.access_token)).toMatchObject({
      sub: person.id,
      client_id: client.id,
      act: { sub: client.id },
    });
  });

  test('that is public does not act for anybody: it proves nothing', async () => {
    const { value } = await keyOf({ [API]: ['read'] });
    const client = await register({ token_endpoint_auth_method: 'none' });
    const { json } = await exchange(value, { client_id: client.id });
    expect(decodeJwt(json.access_token)).toMatchObject({ sub: person.id, client_id: client.id });
    expect(decodeJwt(json.access_token)).not.toHaveProperty('act');
  });

  test('of the service account that owns the key is no other than its owner', async () => {
    const id = await flow.apiKeys.makeServiceAccount({ [API]: ['read'] });
    const { value } = await flow.apiKeys.make({ kind: 'service_account', id }, { access: { [API]: ['read'] } });
    const grant_types = [TOKEN_EXCHANGE, 'client_credentials'];
    const own = await register({ grant_types }, { serviceAccountId: id });
    const another = await register({ grant_types }, { serviceAccountId: await flow.apiKeys.makeServiceAccount({}) });
    const claims = async (client: { id: string; secret: string }) =>
      decodeJwt((await exchange(value, {}, basic(client))).json.access_token);
    expect(await claims(own)).toMatchObject({ sub: id, client_id: own.id });
    expect(await claims(own)).not.toHaveProperty('act');
    expect(await claims(another)).toMatchObject({ sub: id, act: { sub: another.id } });
  });

  test('S-054 S-073 gets nothing for resource servers that it was not registered for, whatever the key may', async () => {
    const { value } = await keyOf({ [API]: ['read'], [OTHER]: ['read'] });
    const client = await register();
    expect((await exchange(value, { resource: OTHER }, basic(client))).json.error).toBe('invalid_target');
    // And of the two it means the one that both may.
    expect(decodeJwt((await exchange(value, {}, basic(client))).json.access_token).aud).toBe(API);
    const none = await register({}, { resources: [] });
    expect((await exchange(value, { resource: API }, basic(none))).json.error).toBe('invalid_target');
    expect((await exchange(value, {}, basic(none))).json.error).toBe('invalid_target');
  });

  test('S-053 gets no scopes beyond its own', async () => {
    const { value } = await keyOf({ [API]: ['erase', 'read', 'write'] });
    const client = await register({ scope: 'read write' });
    expect((await exchange(value, {}, basic(client))).json.scope).toBe('read write');
    expect((await exchange(value, { scope: 'erase' }, basic(client))).json.error).toBe('invalid_scope');
  });

  test('gets tokens no longer than its own live', async () => {
    const { value } = await keyOf({ [API]: ['read'] });
    const client = await register({ access_token_lifetime: 90 });
    expect((await exchange(value, {}, basic(client))).json.expires_in).toBe(90);
  });

  test.each<[string, (client: { id: string; secret: string }) => Record<string, string>, ExchangeForm]>([
    ['S-039 two methods of authentication', basic, { client_secret: 'x' }],
    ['S-040 the client id alone', () => ({}), {}],
  ])('is refused with %s', async (_, headers, more) => {
    const { value } = await keyOf({ [API]: ['read'] });
    const client = await register();
    const { json } = await exchange(value, { client_id: client.id, ...more }, headers(client));
    expect(['invalid_client', 'invalid_request']).toContain(json.error);
    expect(json).not.toHaveProperty('access_token');
  });

  test('S-047 exchanges nothing once it is disabled', async () => {
    const { value } = await keyOf({ [API]: ['read'] });
    const client = await register();
    await flow.clients.disable(client.id, {});
    expect((await exchange(value, {}, basic(client))).json.error).toBe('invalid_client');
  });
});

describe('S-089 a proof of possession', () => {
  const connected = (client: { id: string; secret?: string }) => connect(flow, client);

  async function bound(config: oidc.Configuration, value: string, pair?: CryptoKeyPair) {
    const DPoP = oidc.getDPoPHandle(config, pair ?? (await oidc.randomDPoPKeyPair('ES256')));
    return oidc.genericGrantRequest(
      config,
      TOKEN_EXCHANGE,
      { subject_token: value, subject_token_type: API_KEY_TOKEN_TYPE },
      { DPoP },
    );
  }

  test('binds the token to its key', async () => {
    const { value } = await keyOf({ [API]: ['read'] });
    const tokens = await bound(await connected({ id: 'api-keys' }), value);
    expect(tokens.token_type).toBe('dpop');
    expect(decodeJwt(tokens.access_token).cnf).toEqual({ jkt: expect.stringMatching(/^[\w-]{43}$/) });
  });

  test('that does not fit is refused, not ignored', async () => {
    const { value } = await keyOf({ [API]: ['read'] });
    const { json } = await exchange(value, {}, { dpop: 'x.y.z' });
    expect([json.error, json.access_token]).toEqual(['invalid_dpop_proof', undefined]);
  });

  test('is taken once', async () => {
    const { value } = await keyOf({ [API]: ['read'] });
    const config = await connected({ id: 'api-keys' });
    const DPoP = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair('ES256'));
    let proof = '';
    config[oidc.customFetch] = (url, options) => {
      proof = new Headers(options.headers).get('dpop')!;
      return fetch(url, options as RequestInit);
    };
    const form = { subject_token: value, subject_token_type: API_KEY_TOKEN_TYPE };
    await oidc.genericGrantRequest(config, TOKEN_EXCHANGE, form, { DPoP });
    expect((await exchange(value, {}, { dpop: proof })).json.error).toBe('invalid_grant');
  });

  test('is demanded of clients that were registered so', async () => {
    const { value } = await keyOf({ [API]: ['read'] });
    const client = await register({ dpop_bound_access_tokens: true });
    expect((await exchange(value, {}, basic(client))).json.error).toBe('invalid_grant');
    expect((await bound(await connected(client), value)).token_type).toBe('dpop');
  });
});

test('S-175 what was issued is recorded with the key, its owner and the client', async () => {
  const key = await keyOf({ [API]: ['read'] });
  const client = await register();
  await exchange(key.value, {}, basic(client));
  expect(await flow.auditedTypes(client.id, 'token.issued')).toContain('token.issued');
  const { rows } = await flow.database.pool.query(
    `SELECT user_id, client_id, details FROM audit_events WHERE type = 'token.issued' AND client_id = $1`,
    [client.id],
  );
  expect(rows).toEqual([
    {
      user_id: person.id,
      client_id: client.id,
      details: { kind: 'access_token', grantType: TOKEN_EXCHANGE, apiKey: key.id, resource: API },
    },
  ]);
});

test('S-037 neither the key nor the token is logged', async () => {
  const { value } = await keyOf({ [API]: ['read'] });
  const { json } = await exchange(value);
  await exchange(`${value}x`);
  const log = flow.log.join('');
  expect(log).toContain('token.issued');
  expect(log).not.toContain(value);
  expect(log).not.toContain(json.access_token);
});

test('S-046 the built-in client is limited by address, so that nobody can use it up for others', async () => {
  const limited = await startFlow({ tokenRequests: 5 });
  try {
    const answers: number[] = [];
    for (let tries = 0; tries < 7; tries++) answers.push((await exchangeKey(limited, 'sk-guess')).status);
    expect(answers).toEqual([400, 400, 400, 400, 400, 429, 429]);
  } finally {
    await limited.close();
  }
});
