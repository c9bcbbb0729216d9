import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createVerifier } from '@daemun/verify';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { createApi } from '../../examples/api/src/app.ts';
import type { Account } from '../../src/accounts/account.ts';
import { TOKEN_EXCHANGE } from '../../src/clients/client-metadata.ts';
import { exchangeKey } from '../support/flow-api-key-exchange.ts';
import { basic } from '../support/flow-client.ts';
import { type Flow, startFlow } from '../support/flow-server.ts';
import { until } from '../support/redis.ts';

const API = 'https://api.example.com/';

let flow: Flow;
let person: Account;
let server: Server;
let api: string;
let client: { id: string; secret: string };
beforeAll(async () => {
  flow = await startFlow();
  await flow.registerResource({ identifier: API, name: 'API', scopes: [{ name: 'read', description: 'Read' }] });
  client = await flow.register({ metadata: { grant_types: [TOKEN_EXCHANGE], redirect_uris: [] }, resources: [API] });
  const apiKeys = { clientId: client.id, clientSecret: client.secret };
  const app = createApi({ issuer: flow.issuer, audience: API, apiKeys });
  server = createServer(app.callback()).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  api = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await flow.close();
});
beforeEach(async () => {
  person = await flow.people.create();
});

const keyOf = (more = {}) =>
  flow.apiKeys.make({ kind: 'user', id: person.id }, { access: { [API]: ['read'] }, ...more });

const call = async (credential: string) =>
  (await fetch(`${api}/user/${person.id}/sessions`, { headers: { authorization: `Bearer ${credential}` } })).status;

test('the sample API takes a key, and the token for it, as it takes any token, until the key is revoked', async () => {
  const key = await keyOf();
  const { access_token } = (await exchangeKey(flow, key.value)).json;
  expect([await call(key.value), await call(access_token)]).toEqual([200, 200]);
  await flow.apiKeys.revokeNow(key.id);
  await until(async () => (await call(key.value)) === 401);
  expect((await exchangeKey(flow, key.value)).json.error).toBe('invalid_grant');
  // Checked by nobody but the API, it lives out its five minutes.
  expect(await call(access_token)).toBe(200);
});

test('a key that may be used from some addresses only is held to them by the API', async () => {
  expect(await call((await keyOf({ allowedAddresses: ['127.0.0.1'] })).value)).toBe(200);
  expect(await call((await keyOf({ allowedAddresses: ['192.0.2.1'] })).value)).toBe(401);
});

test('a key and the tokens for it are the same caller', async () => {
  const key = await keyOf();
  const verifier = createVerifier({
    issuer: flow.issuer,
    audience: API,
    apiKeys: { clientId: client.id, clientSecret: client.secret },
  });
  const verify = async (credential: string) => {
    const { subject, scopes, audience, keyId, clientId, actor } = await verifier.verify(credential, {
      scopes: ['read'],
    });
    return { subject, scopes, audience, keyId, clientId, actor };
  };
  const same = { subject: person.id, scopes: ['read'], audience: [API], keyId: key.id };
  expect(await verify(key.value)).toEqual({ ...same, clientId: undefined, actor: undefined });
  const own = (await exchangeKey(flow, key.value)).json.access_token;
  expect(await verify(own)).toEqual({ ...same, clientId: 'api-keys', actor: undefined });
  const others = (await exchangeKey(flow, key.value, {}, basic(client))).json.access_token;
  expect(await verify(others)).toEqual({ ...same, clientId: client.id, actor: { subject: client.id } });
});

test('S-072 neither is good at another resource server', async () => {
  const key = await keyOf();
  const { access_token } = (await exchangeKey(flow, key.value)).json;
  const other = createVerifier({
    issuer: flow.issuer,
    audience: 'https://other.example.com/',
    apiKeys: { clientId: client.id, clientSecret: client.secret },
  });
  await expect(other.verify(access_token)).rejects.toMatchObject({ cause: 'audience' });
  await expect(other.verify(key.value)).rejects.toMatchObject({ cause: 'inactive' });
});
