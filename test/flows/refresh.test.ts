import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import * as oidc from 'openid-client';
import type { Account } from '../../src/accounts/account.ts';
import {
  answerPages,
  authorizationRequest,
  basic,
  connect,
  obtainCode,
  pageOf,
  post,
  signIn,
} from '../support/flow-client.ts';
import { type Flow, startFlow } from '../support/flow-server.ts';

const grant_types = ['authorization_code', 'refresh_token'];

let flow: Flow;
let person: Account;
let client: { id: string; secret: string };
beforeAll(async () => {
  flow = await startFlow();
});
afterAll(() => flow.close());
beforeEach(async () => {
  person = await flow.people.create();
  client = await flow.register({ metadata: { grant_types } });
});

const refresh = (refresh_token: string, extra: Record<string, string> = {}, as = client) =>
  post(`${flow.issuer}/token`, { grant_type: 'refresh_token', refresh_token, ...extra }, basic(as));

async function firstTokens(parameters: Record<string, string | null> = {}) {
  return signIn(flow, await connect(flow, client), person.id, { parameters });
}

const userinfo = async (token: string) =>
  (await fetch(`${flow.issuer}/userinfo`, { headers: { authorization: `Bearer ${token}` } })).status;

test('a client with the grant gets a refresh token without asking for offline_access, and it works (refresh-token)', async () => {
  const config = await connect(flow, client);
  const { tokens } = await signIn(flow, config, person.id);
  const first = tokens.claims()!;
  // As if two seconds had passed: the new token is issued now, and says that the sign-in was two seconds ago.
  await flow.age(2);
  const refreshed = await oidc.refreshTokenGrant(config, tokens.refresh_token!);
  expect(refreshed.access_token).not.toBe(tokens.access_token);
  const second = refreshed.claims()!;
  const { iss, sub, aud, auth_time } = first;
  expect(second).toMatchObject({ iss, sub, aud, auth_time: auth_time! - 2 });
  expect(second.iat).toBeGreaterThan(first.iat - 2);
  expect(await userinfo(refreshed.access_token)).toBe(200);
});

test('a client without the grant gets none', async () => {
  const config = await connect(flow, await flow.register({}));
  const { tokens } = await signIn(flow, config, person.id);
  expect(tokens.refresh_token).toBeUndefined();
});

test.each([
  ['confidential', {}],
  ['public', { token_endpoint_auth_method: 'none' }],
])('S-055 refresh tokens of %s clients rotate, and using a spent one ends the family', async (_, metadata) => {
  client = await flow.register({ metadata: { grant_types, ...metadata } });
  const config = await connect(flow, client);
  const { tokens } = await signIn(flow, config, person.id);
  const second = await oidc.refreshTokenGrant(config, tokens.refresh_token!);
  expect(second.refresh_token).not.toBe(tokens.refresh_token);
  const third = await oidc.refreshTokenGrant(config, second.refresh_token!);
  // Its successor was used, so this is no retry.
  await expect(oidc.refreshTokenGrant(config, tokens.refresh_token!)).rejects.toMatchObject({ error: 'invalid_grant' });
  await expect(oidc.refreshTokenGrant(config, third.refresh_token!)).rejects.toMatchObject({ error: 'invalid_grant' });
  for (const { access_token } of [tokens, second, third]) expect(await userinfo(access_token)).toBe(401);
});

test('S-055 S-175 a replay, which ends the family, is in the audit log before it is answered', async () => {
  const config = await connect(flow, client);
  const { tokens } = await signIn(flow, config, person.id);
  const second = await oidc.refreshTokenGrant(config, tokens.refresh_token!);
  await oidc.refreshTokenGrant(config, second.refresh_token!);
  const { headers } = await refresh(tokens.refresh_token!);
  const { rows } = await flow.database.pool.query('SELECT type, user_id FROM audit_events WHERE request_id = $1', [
    headers.get('x-request-id'),
  ]);
  expect(rows).toEqual([{ type: 'refresh_token.replayed', user_id: person.id }]);
});

test('S-056 S-057 an honest retry gets the same successor, on its own and at once', async () => {
  const { tokens } = await firstTokens();
  const answers = await Promise.all(Array.from({ length: 6 }, () => refresh(tokens.refresh_token!)));
  answers.push(await refresh(tokens.refresh_token!));
  const won = answers.filter(({ status }) => status === 200);
  expect(won.length).toBeGreaterThan(0);
  expect(new Set(won.map(({ json }) => json.refresh_token)).size).toBe(1);
  expect((await refresh(won[0]!.json.refresh_token)).status).toBe(200);
});

test('S-057 the grace is for the same client only', async () => {
  const other = await flow.register({ metadata: { grant_types } });
  const { tokens } = await firstTokens();
  expect((await refresh(tokens.refresh_token!)).status).toBe(200);
  expect((await refresh(tokens.refresh_token!, {}, other)).json.error).toBe('invalid_grant');
});

test('S-058 a refresh token works for its client only, and its scope can only shrink', async () => {
  const { tokens } = await firstTokens({ scope: 'openid profile' });
  const other = await flow.register({ metadata: { grant_types } });
  expect((await refresh(tokens.refresh_token!, {}, other)).json.error).toBe('invalid_grant');
  expect((await refresh(tokens.refresh_token!, { scope: 'openid profile email' })).json.error).toBe('invalid_scope');
  const less = await refresh(tokens.refresh_token!, { scope: 'openid' });
  expect([less.status, less.json.scope]).toEqual([200, 'openid']);
});

describe('S-059 a refresh looks at what is true now:', () => {
  test('the account', async () => {
    const { tokens } = await firstTokens();
    await flow.people.set({ ...person, state: 'disabled' });
    expect((await refresh(tokens.refresh_token!)).json.error).toBe('invalid_grant');
  });

  test('the client (S-047)', async () => {
    const { tokens } = await firstTokens();
    await flow.clients.disable(client.id, {});
    const answer = await refresh(tokens.refresh_token!);
    expect([answer.status, answer.json.error]).toEqual([401, 'invalid_client']);
  });

  test('its grant type', async () => {
    const { tokens } = await firstTokens();
    await flow.clients.update(client.id, { metadata: { grant_types: ['authorization_code'] } }, {});
    expect((await refresh(tokens.refresh_token!)).status).toBe(400);
  });

  test('the session, unless access was given for when the person is away (S-157)', async () => {
    const bound = await firstTokens();
    const offline = await firstTokens({ scope: 'openid offline_access', prompt: 'consent' });
    expect(offline.tokens.scope).toBe('openid offline_access');
    for (const { browser } of [bound, offline]) {
      const { form } = pageOf(await browser.open('/logout'));
      const [, xsrf] = /name="xsrf" value="([^"]+)"/.exec(form)!;
      await browser.submit('/logout/confirm', { xsrf: xsrf!, logout: 'yes' });
    }
    expect((await refresh(bound.tokens.refresh_token!)).json.error).toBe('invalid_grant');
    expect((await refresh(offline.tokens.refresh_token!)).status).toBe(200);
  });

  test('S-069 offline access that the client was registered for', async () => {
    const { tokens } = await firstTokens({ scope: 'openid offline_access', prompt: 'consent' });
    await flow.clients.update(client.id, { metadata: { scope: 'openid profile' } }, {});
    expect((await refresh(tokens.refresh_token!)).json.error).toBe('invalid_grant');
  });

  test('the resource servers of the client (S-073)', async () => {
    const resource = 'https://refreshed.example.com/';
    await flow.registerResource({ identifier: resource, name: 'API', scopes: [{ name: 'read', description: 'Read' }] });
    client = await flow.register({ metadata: { grant_types }, resources: [resource] });
    const { tokens } = await firstTokens({ scope: 'openid read', resource });
    const second = await refresh(tokens.refresh_token!);
    expect(second.status).toBe(200);
    await flow.clients.update(client.id, { resources: [] }, {});
    expect((await refresh(second.json.refresh_token)).json.error).toBe('invalid_target');
  });
});

test('S-069 offline_access without prompt=consent is left out, and the token bound to the session', async () => {
  const { tokens } = await firstTokens({ scope: 'openid offline_access' });
  expect(tokens.scope).toBe('openid');
  expect(tokens.refresh_token).toEqual(expect.any(String));
});

describe('S-060 a refresh token', () => {
  const DAY = 86_400;
  const forever = { scope: 'openid offline_access', prompt: 'consent' };

  test('slides with its use, up to an end that rotation cannot move', async () => {
    let { refresh_token } = (await firstTokens(forever)).tokens;
    for (let month = 0; month < 3; month++) {
      await flow.age(29 * DAY);
      const answer = await refresh(refresh_token!);
      expect(answer.status).toBe(200);
      refresh_token = answer.json.refresh_token;
    }
    await flow.age(4 * DAY);
    expect((await refresh(refresh_token!)).json.error).toBe('invalid_grant');
  });

  test('ends when it is not used', async () => {
    const { tokens } = await firstTokens(forever);
    await flow.age(31 * DAY);
    expect((await refresh(tokens.refresh_token!)).json.error).toBe('invalid_grant');
  });
});

test('S-057 the grace ends', async () => {
  const { tokens } = await firstTokens();
  expect((await refresh(tokens.refresh_token!)).status).toBe(200);
  await flow.age(11);
  expect((await refresh(tokens.refresh_token!)).json.error).toBe('invalid_grant');
});

test('S-070 nobody who reads the database can present what is in it', async () => {
  const { tokens, browser, callback } = await firstTokens({ scope: 'openid profile' });
  const values = [tokens.access_token, tokens.refresh_token!, callback.searchParams.get('code')!];
  values.push(...browser.cookies.map(({ value }) => value));
  const { url } = await authorizationRequest(await connect(flow, client), { prompt: 'login' });
  const pending = await browser.open(url.href);
  values.push(pending.url.pathname.split('/').at(-1)!, ...browser.cookies.map(({ value }) => value));
  const { rows } = await flow.database.pool.query(
    `SELECT encode(id, 'hex') || ' ' || coalesce(encode(grant_id, 'hex'), '') || ' ' || payload::text AS text FROM protocol_artifacts`,
  );
  const text = rows.map((row) => row.text).join('\n');
  for (const value of values) expect(text).not.toContain(value);
  expect((await answerPages(pending, browser, person.id)).url.searchParams.has('code')).toBe(true);
});

test('refresh tokens carry on what was asked for: nonce, claims, authentication', async () => {
  const claims = JSON.stringify({ id_token: { name: null } });
  const { code: _, form } = await obtainCode(flow, client, person.id, { parameters: { claims } });
  const first = await post(`${flow.issuer}/token`, form, basic(client));
  const second = await refresh(first.json.refresh_token);
  const payload = (token: string) => JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString());
  expect(payload(second.json.id_token)).toMatchObject({
    name: 'Hana Kim',
    amr: ['pwd'],
    acr: payload(first.json.id_token).acr,
  });
});

test.each(['', 'x', 'x'.repeat(10_000), 'a.b.c', '\u0007'])(
  'S-067 the refresh token %j is a plain refusal',
  async (token) => {
    const answer = await refresh(token);
    expect(answer.status).toBe(400);
    expect(['invalid_grant', 'invalid_request']).toContain(answer.json.error);
  },
);
