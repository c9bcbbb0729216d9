import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import * as oidc from 'openid-client';
import type { Account } from '../../src/accounts/account.ts';
import { basic, connect, pageOf, post, signIn } from '../support/flow-client.ts';
import { type Flow, startFlow } from '../support/flow-server.ts';

const API = 'https://api.example.com/';
const grant_types = ['authorization_code', 'refresh_token', 'client_credentials'];

let flow: Flow;
let person: Account;
let client: { id: string; secret: string };
let config: oidc.Configuration;
beforeAll(async () => {
  flow = await startFlow();
  await flow.registerResource({
    identifier: API,
    name: 'API',
    scopes: [{ name: 'read', description: 'Read' }],
    accessTokenFormat: 'opaque',
  });
});
afterAll(() => flow.close());
beforeEach(async () => {
  person = await flow.people.create();
  client = await flow.register({ metadata: { grant_types }, resources: [API] });
  config = await connect(flow, client);
});

const look = (token: string, as = client, extra: Record<string, string> = {}) =>
  post(`${flow.issuer}/introspect`, { token, ...extra }, basic(as));

const revoke = (token: string, as = client, extra: Record<string, string> = {}) =>
  post(`${flow.issuer}/revoke`, { token, ...extra }, basic(as));

const INACTIVE = { active: false };

describe('introspection', () => {
  test('tells a client about its own tokens, whatever the hint', async () => {
    const { tokens } = await signIn(flow, config, person.id);
    const now = Math.floor(Date.now() / 1000);
    for (const token_type_hint of ['access_token', 'refresh_token', 'something', '']) {
      const access = await look(tokens.access_token, client, { token_type_hint });
      expect(access.json).toMatchObject({
        active: true,
        sub: person.id,
        client_id: client.id,
        scope: 'openid',
        token_type: 'Bearer',
      });
      expect(access.json.exp).toBeGreaterThan(now);
      expect(access.headers.get('cache-control')).toBe('no-store');
      const refresh = await look(tokens.refresh_token!, client, { token_type_hint });
      expect(refresh.json).toMatchObject({ active: true, sub: person.id, client_id: client.id });
      expect(refresh.json).not.toHaveProperty('token_type');
    }
  });

  test('S-065 needs authentication', async () => {
    const { tokens } = await signIn(flow, config, person.id);
    const form = { token: tokens.access_token };
    for (const answer of [
      await post(`${flow.issuer}/introspect`, form),
      await post(`${flow.issuer}/introspect`, { ...form, client_id: client.id }),
      await post(`${flow.issuer}/introspect`, form, { authorization: `Bearer ${tokens.access_token}` }),
      await post(`${flow.issuer}/introspect`, form, basic({ id: client.id, secret: 'wrong' })),
    ]) {
      expect([400, 401]).toContain(answer.status);
      expect(answer.json).not.toHaveProperty('active');
    }
    const open = await flow.register({
      metadata: { grant_types: ['authorization_code'], token_endpoint_auth_method: 'none' },
    });
    const own = await signIn(flow, await connect(flow, { id: open.id }), person.id);
    const byId = await post(`${flow.issuer}/introspect`, { token: own.tokens.access_token, client_id: open.id });
    expect(byId.json).toEqual(INACTIVE);
  });

  test('S-065 foreign, expired, malformed, revoked and unknown tokens look alike', async () => {
    const stranger = await flow.register({ metadata: { grant_types } });
    const { callback } = await signIn(flow, config, person.id);
    const revoked = await signIn(flow, config, person.id);
    await oidc.tokenRevocation(config, revoked.tokens.refresh_token!);
    const expired = await signIn(flow, config, person.id);
    await flow.age(31 * 86_400);
    const fresh = await signIn(flow, config, person.id);
    expect((await look(fresh.tokens.access_token)).json.active).toBe(true);
    const answers = await Promise.all([
      look(fresh.tokens.access_token, stranger),
      look(fresh.tokens.refresh_token!, stranger),
      look(expired.tokens.access_token),
      look(expired.tokens.refresh_token!),
      look(revoked.tokens.access_token),
      look(revoked.tokens.refresh_token!),
      look(callback.searchParams.get('code')!),
      look('unknown'),
      look('x'.repeat(20_000)),
      look('\u{1F600}'),
    ]);
    for (const { status, text } of answers) expect([status, text]).toEqual([200, JSON.stringify(INACTIVE)]);
  });

  test('S-065 the clients of a resource server may look at tokens for it, at nothing else', async () => {
    const api = await flow.register({
      metadata: { grant_types: ['client_credentials'], redirect_uris: [] },
      resources: [API],
    });
    const forApi = await signIn(flow, config, person.id, { parameters: { scope: 'openid read', resource: API } });
    const forUs = await signIn(flow, config, person.id);
    const machine = await oidc.clientCredentialsGrant(config, { resource: API });
    expect((await look(forApi.tokens.access_token, api)).json).toMatchObject({
      active: true,
      sub: person.id,
      aud: API,
      scope: 'read',
    });
    expect((await look(machine.access_token, api)).json).toMatchObject({
      active: true,
      client_id: client.id,
      aud: API,
    });
    expect((await look(forApi.tokens.refresh_token!, api)).json).toEqual(INACTIVE);
    expect((await look(forUs.tokens.access_token, api)).json).toEqual(INACTIVE);
  });

  describe('S-066 a token is inactive once', () => {
    let api: { id: string; secret: string };
    let token: string;
    let signedIn: Awaited<ReturnType<typeof signIn>>;
    beforeEach(async () => {
      api = await flow.register({
        metadata: { grant_types: ['client_credentials'], redirect_uris: [] },
        resources: [API],
      });
      signedIn = await signIn(flow, config, person.id, { parameters: { scope: 'openid read', resource: API } });
      token = signedIn.tokens.access_token;
      expect((await look(token, api)).json.active).toBe(true);
    });

    test('its person is disabled', async () => {
      await flow.people.set({ ...person, state: 'disabled' });
      expect((await look(token, api)).json).toEqual(INACTIVE);
    });

    test('its client is disabled', async () => {
      await flow.clients.disable(client.id, {});
      expect((await look(token, api)).json).toEqual(INACTIVE);
    });

    test('the client of a client_credentials token is disabled', async () => {
      const { access_token } = await oidc.clientCredentialsGrant(config, { resource: API });
      await flow.clients.disable(client.id, {});
      expect((await look(access_token, api)).json).toEqual(INACTIVE);
    });

    test('its session ended', async () => {
      const { form } = pageOf(await signedIn.browser.open('/logout'));
      await signedIn.browser.submit('/logout/confirm', { xsrf: /value="([^"]+)"/.exec(form)![1]!, logout: 'yes' });
      expect((await look(token, api)).json).toEqual(INACTIVE);
    });

    test('S-064 it was revoked', async () => {
      expect((await revoke(token)).status).toBe(200);
      expect((await look(token, api)).json).toEqual(INACTIVE);
    });
  });

  test('a JWT is not looked up: its signature is what there is to know', async () => {
    const resource = 'https://jwt.example.com/';
    await flow.registerResource({ identifier: resource, name: 'JWT', scopes: [] });
    const machine = await flow.register({ metadata: { grant_types }, resources: [resource] });
    const { access_token } = await oidc.clientCredentialsGrant(await connect(flow, machine));
    for (const answer of [await look(access_token, machine), await revoke(access_token, machine)]) {
      expect([answer.status, answer.json.error]).toEqual([400, 'unsupported_token_type']);
    }
  });
});

describe('revocation', () => {
  test('S-062 of a refresh token ends the access tokens that came from it', async () => {
    const { tokens } = await signIn(flow, config, person.id);
    const answer = await revoke(tokens.refresh_token!);
    expect([answer.status, answer.text]).toEqual([200, '']);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect((await look(tokens.access_token)).json).toEqual(INACTIVE);
    expect((await look(tokens.refresh_token!)).json).toEqual(INACTIVE);
  });

  test('S-062 of an unknown token is no error', async () => {
    for (const token of ['unknown', 'x'.repeat(20_000), '\u{1F600}']) {
      expect((await revoke(token)).status).toBe(200);
      expect((await revoke(token, client, { token_type_hint: 'refresh_token' })).status).toBe(200);
    }
  });

  test('S-062 S-052 of somebody else’s token does nothing and says nothing', async () => {
    const stranger = await flow.register({ metadata: { grant_types } });
    const { tokens } = await signIn(flow, config, person.id);
    for (const token of [tokens.access_token, tokens.refresh_token!]) {
      const answer = await revoke(token, stranger);
      expect([answer.status, answer.text]).toEqual([200, '']);
      expect((await look(token)).json.active).toBe(true);
    }
  });

  test('public clients may revoke what is theirs', async () => {
    const { id } = await flow.register({
      metadata: { grant_types: ['authorization_code', 'refresh_token'], token_endpoint_auth_method: 'none' },
    });
    const own = await connect(flow, { id });
    const { tokens } = await signIn(flow, own, person.id);
    await oidc.tokenRevocation(own, tokens.refresh_token!);
    await expect(oidc.refreshTokenGrant(own, tokens.refresh_token!)).rejects.toMatchObject({ error: 'invalid_grant' });
  });

  test('without a token, or with two, is refused', async () => {
    for (const form of ['', 'token=', 'token=a&token=b']) {
      const answer = await post(`${flow.issuer}/revoke`, form, basic(client));
      expect([form, answer.status, answer.json.error]).toEqual([form, 400, 'invalid_request']);
    }
  });

  test('S-175 is in the audit log', async () => {
    const { tokens } = await signIn(flow, config, person.id);
    await revoke(tokens.refresh_token!);
    const wanted = ['token.revoked', 'grant.revoked'];
    expect(await flow.auditedTypes(client.id, ...wanted)).toEqual(expect.arrayContaining(wanted));
  });
});
