import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { decodeJwt } from 'jose';
import * as oidc from 'openid-client';
import { basic, connect, post } from '../support/flow-client.ts';
import { type Flow, startFlow } from '../support/flow-server.ts';

const API = 'https://api.example.com/';
const OPAQUE = 'https://opaque.example.com/';
const OTHER = 'https://other.example.com/';
const metadata = { grant_types: ['client_credentials'], redirect_uris: [] };

let flow: Flow;
let account: string;
let client: { id: string; secret: string };
beforeAll(async () => {
  flow = await startFlow();
  const scopes = ['read', 'write'].map((name) => ({ name, description: name }));
  await flow.registerResource({ identifier: API, name: 'API', scopes });
  await flow.registerResource({ identifier: OPAQUE, name: 'Opaque', scopes, accessTokenFormat: 'opaque' });
  await flow.registerResource({ identifier: OTHER, name: 'Other', scopes });
});
afterAll(() => flow.close());
beforeEach(async () => {
  account = await flow.apiKeys.makeServiceAccount({ [API]: ['read'], [OPAQUE]: ['read', 'write'] });
  client = await flow.register({ metadata, resources: [API, OPAQUE, OTHER], serviceAccountId: account });
});

const ask = (form: Record<string, string> = {}, as = client) =>
  post(`${flow.issuer}/token`, { grant_type: 'client_credentials', ...form }, basic(as));

const look = async (token: string) => (await post(`${flow.issuer}/introspect`, { token }, basic(client))).json;

describe('S-049 a client that was registered for a service account', () => {
  test('gets tokens with its subject, which is no person’s id and no client’s', async () => {
    const tokens = await oidc.clientCredentialsGrant(await connect(flow, client), { resource: API });
    const claims = decodeJwt(tokens.access_token);
    expect(claims).toMatchObject({ sub: account, client_id: client.id, aud: API });
    expect(tokens).not.toHaveProperty('refresh_token');
    expect(claims.sub).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8/);
    await expect(flow.people.create({ id: account })).rejects.toThrow();
  });

  test('gets opaque ones that say the same when they are introspected', async () => {
    const { json } = await ask({ resource: OPAQUE, scope: 'read write' });
    expect(await look(json.access_token)).toMatchObject({
      active: true,
      sub: account,
      client_id: client.id,
      scope: 'read write',
    });
  });

  test('gets no more than the account may now', async () => {
    const { json } = await ask({ resource: API, scope: 'read write' });
    expect([json.scope, decodeJwt(json.access_token).scope]).toEqual(['read', 'read']);
    expect((await ask({ resource: API, scope: 'write' })).json.error).toBe('invalid_scope');
    expect((await ask({ resource: OTHER })).json.error).toBe('invalid_target');
    await flow.apiKeys.serviceAccounts.change(account, { access: { [API]: ['write'] } }, {});
    expect((await ask({ resource: API, scope: 'read write' })).json.scope).toBe('write');
    expect((await ask({ resource: OPAQUE })).json.error).toBe('invalid_target');
  });

  test('S-047 gets nothing once the account is disabled, and its opaque tokens end', async () => {
    const { json } = await ask({ resource: OPAQUE });
    expect((await look(json.access_token)).active).toBe(true);
    await flow.apiKeys.serviceAccounts.disable(account, {});
    for (const form of [{ resource: API }, { resource: OPAQUE }, {}] as Record<string, string>[]) {
      expect((await ask(form)).json.error).toBe('invalid_client');
    }
    expect(await look(json.access_token)).toEqual({ active: false });
    await flow.apiKeys.serviceAccounts.enable(account, {});
    expect(decodeJwt((await ask({ resource: API })).json.access_token).sub).toBe(account);
  });

  test('S-158 gets nothing once the account is deleted', async () => {
    await flow.apiKeys.serviceAccounts.delete(account, {});
    expect((await ask({ resource: API })).json.error).toBe('invalid_client');
  });

  test('S-175 leaves the account in the record', async () => {
    await ask({ resource: API });
    expect(await flow.auditedTypes(client.id, 'token.issued')).toContain('token.issued');
    const { rows } = await flow.database.pool.query<{ details: object; user_id: string | null }>(
      `SELECT user_id, details FROM audit_events WHERE type = 'token.issued' AND client_id = $1`,
      [client.id],
    );
    expect(rows).toEqual([{ user_id: null, details: expect.objectContaining({ serviceAccount: account }) }]);
  });
});

test('any other client is its own subject, as before', async () => {
  const other = await flow.register({ metadata, resources: [API] });
  expect(decodeJwt((await ask({ resource: API }, other)).json.access_token).sub).toBe(other.id);
});

describe('registration', () => {
  const create = (more: object) => flow.clients.create({ name: 'Robot', metadata, ...more }, {});
  const refusal = { kind: 'refused', problems: [expect.objectContaining({ field: 'serviceAccountId' })] };

  test.each<[string, () => object]>([
    ['a service account that is none', () => ({ serviceAccountId: '0190a1b2-0000-8000-8000-000000000000' })],
    ['what is no id', () => ({ serviceAccountId: "x' OR 1=1" })],
    [
      'S-049 a public client',
      () => ({
        serviceAccountId: account,
        metadata: { ...metadata, grant_types: ['authorization_code'], redirect_uris: ['https://app.example.com/'] },
      }),
    ],
  ])('refuses %s', async (_, more) => {
    expect(await create(more())).toEqual(refusal);
  });

  test('S-049 refuses a person in its place', async () => {
    expect(await create({ serviceAccountId: (await flow.people.create()).id })).toEqual(refusal);
  });

  test('refuses an account that was deleted', async () => {
    const gone = await flow.apiKeys.makeServiceAccount({});
    await flow.apiKeys.serviceAccounts.delete(gone, {});
    expect(await create({ serviceAccountId: gone })).toEqual(refusal);
  });

  test('may be changed: to another account, and to none', async () => {
    const next = await flow.apiKeys.makeServiceAccount({ [API]: ['read'] });
    const changed = await flow.clients.update(client.id, { serviceAccountId: next }, {});
    expect(changed).toMatchObject({ kind: 'updated', client: { serviceAccountId: next } });
    expect(decodeJwt((await ask({ resource: API })).json.access_token).sub).toBe(next);
    // Whatever else is changed leaves it alone.
    await flow.clients.update(client.id, { name: 'Another name' }, {});
    expect((await flow.clients.show(client.id))?.serviceAccountId).toBe(next);
    await flow.clients.update(client.id, { serviceAccountId: null }, {});
    expect(decodeJwt((await ask({ resource: API })).json.access_token).sub).toBe(client.id);
    expect(await flow.clients.show(client.id)).not.toHaveProperty('serviceAccountId');
  });
});
