import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type * as oidc from 'openid-client';
import type { Account } from '../../src/accounts/account.ts';
import { type Browser, createBrowser } from '../support/flow-browser.ts';
import { authorizationRequest, basic, connect, post, signIn } from '../support/flow-client.ts';
import { throughProxy } from '../support/flow-https.ts';
import { type Flow, startFlow } from '../support/flow-server.ts';

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const FOR_EVER = { scope: 'openid offline_access', prompt: 'consent' };

let flow: Flow;
let client: { id: string; secret: string };
let config: oidc.Configuration;
let person: Account;
let browser: Browser;
beforeAll(async () => {
  flow = await startFlow({ lifetimes: { session: 10 * HOUR, sessionIdle: HOUR } });
  client = await flow.register({ metadata: { grant_types: ['authorization_code', 'refresh_token'] } });
  config = await connect(flow, client);
});
afterAll(() => flow.close());
beforeEach(async () => {
  person = await flow.people.create();
  browser = createBrowser(flow.origin);
});

const silently = async () =>
  (await browser.open((await authorizationRequest(config, { prompt: 'none' })).url.href)).url.searchParams.get('error');

const refresh = (refresh_token?: string) =>
  post(`${flow.issuer}/token`, { grant_type: 'refresh_token', refresh_token: refresh_token! }, basic(client));

describe('S-152 where sessions end unused, a session', () => {
  test('goes on with every visit, and ends when nobody comes by', async () => {
    await signIn(flow, config, person.id, { browser });
    for (let visit = 0; visit < 3; visit++) {
      await flow.age(58 * MINUTE);
      expect(await silently()).toBeNull();
    }
    await flow.age(HOUR);
    expect(await silently()).toBe('login_required');
  });

  test('ends with its lifetime all the same', async () => {
    await signIn(flow, config, person.id, { browser });
    for (let visit = 0; visit < 11; visit++) {
      await flow.age(54 * MINUTE);
      expect(await silently()).toBeNull();
    }
    await flow.age(7 * MINUTE);
    expect(await silently()).toBe('login_required');
  });

  test('is not stored again for each of many visits, and so ends a little early, but never late', async () => {
    await signIn(flow, config, person.id, { browser });
    const storedAt = async () => {
      const { rows } = await flow.database.pool.query(
        `SELECT (payload ->> 'iat')::int AS at FROM protocol_artifacts WHERE kind = 'Session' AND account_id = $1 AND revoked_at IS NULL`,
        [person.id],
      );
      expect(rows).toHaveLength(1);
      return rows[0].at;
    };
    await flow.age(30);
    const before = await storedAt();
    expect(await silently()).toBeNull();
    expect(await storedAt()).toBe(before);
    await flow.age(30);
    expect(await silently()).toBeNull();
    expect(await storedAt()).toBeGreaterThanOrEqual(before + 30);
  });

  test('takes with it what is bound to it, for which refreshing is no visit', async () => {
    const { tokens } = await signIn(flow, config, person.id, { browser });
    await flow.age(40 * MINUTE);
    const second = await refresh(tokens.refresh_token);
    expect(second.status).toBe(200);
    await flow.age(30 * MINUTE);
    expect((await refresh(second.json.refresh_token)).json.error).toBe('invalid_grant');
    const headers = { authorization: `Bearer ${second.json.access_token}` };
    expect((await fetch(`${flow.issuer}/userinfo`, { headers })).status).toBe(401);
  });

  test('leaves what was given for when the person is away', async () => {
    const { tokens } = await signIn(flow, config, person.id, { browser, parameters: FOR_EVER });
    await flow.age(2 * HOUR);
    expect(await silently()).toBe('login_required');
    expect((await refresh(tokens.refresh_token)).status).toBe(200);
  });
});

test.each<[string, { sessionIdle?: number }, { session?: number; sessionIdle?: number }]>([
  ['its idle time is made shorter', { sessionIdle: HOUR }, { sessionIdle: 8 * MINUTE }],
  ['it gets an idle time', {}, { sessionIdle: 8 * MINUTE }],
  ['its lifetime is made shorter', { sessionIdle: HOUR }, { session: 8 * MINUTE }],
])('S-152 a session that is alive ends earlier when %s, and what is bound to it too', async (_, before, after) => {
  const shared = { database: flow.database, secrets: flow.secrets };
  const lenient = await startFlow({ ...shared, lifetimes: { session: 10 * HOUR, ...before } });
  const stricter = await startFlow({ ...shared, issuer: lenient.issuer, lifetimes: { session: 10 * HOUR, ...after } });
  const configHere = await connect(lenient, client);
  const { tokens, browser } = await signIn(lenient, configHere, person.id);
  await flow.age(10 * MINUTE);

  const { url } = await authorizationRequest(configHere, { prompt: 'none' });
  const cookie = browser.cookies.map(({ name, value }) => `${name}=${value}`).join('; ');
  const authorization = `Bearer ${tokens.access_token}`;
  const answers = async (node: Flow) => [
    (await throughProxy(node, '/userinfo', { headers: { authorization } })).status,
    new URL(
      String((await throughProxy(node, `${url.pathname}${url.search}`, { headers: { cookie } })).headers.location),
    ).searchParams.get('error'),
  ];
  expect(await answers(stricter)).toEqual([401, 'login_required']);
  expect(await answers(lenient)).toEqual([200, null]);
  await lenient.close();
  await stricter.close();
});
