import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type * as oidc from 'openid-client';
import type { Account } from '../../src/accounts/account.ts';
import { type Consents, createConsents } from '../../src/accounts/consents.ts';
import { endConsent } from '../../src/provider/revocation.ts';
import { openTestDatabase } from '../support/database.ts';
import { type Browser, createBrowser } from '../support/flow-browser.ts';
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
import { type Interruptible, interruptible } from '../support/interruption.ts';

const API = 'https://api.example.com/';

let database: Interruptible;
let flow: Flow;
let consents: Consents;
beforeAll(async () => {
  database = interruptible(await openTestDatabase());
  flow = await startFlow({ database });
  consents = createConsents({ database, audit: flow.audit, endConsent });
  await flow.registerResource({
    identifier: API,
    name: 'Notes API',
    scopes: [
      { name: 'notes:read', description: 'Read your notes' },
      { name: 'notes:write', description: 'Change your notes' },
    ],
  });
});
afterAll(async () => {
  await flow.close();
  await database.close();
});

let person: Account;
let browser: Browser;
let config: oidc.Configuration;
let clientId: string;
beforeEach(async () => {
  person = await flow.people.create();
  browser = createBrowser(flow.origin);
  const client = await flow.register({ name: 'Third', isFirstParty: false, resources: [API] });
  clientId = client.id;
  config = await connect(flow, client);
});

const ask = async (parameters: Record<string, string | null> = {}) =>
  browser.open((await authorizationRequest(config, parameters)).url.href);

async function upToConsent(parameters: Record<string, string | null> = {}) {
  const page = await ask(parameters);
  return pageOf(page).prompt === 'login' ? browser.submit(`${page.url.pathname}/login`, { account: person.id }) : page;
}

test('S-166 a third party is allowed once, for what the screen showed, and that is remembered', async () => {
  const page = await upToConsent({ scope: 'openid email' });
  expect(pageOf(page)).toMatchObject({
    prompt: 'consent',
    accountId: person.id,
    client: { id: clientId, name: 'Third', isFirstParty: false },
    missing: { scopes: ['openid', 'email'], claims: [], resources: [] },
  });
  const end = await answerPages(page, browser, person.id);
  expect(end.url.searchParams.has('code')).toBe(true);
  await signIn(flow, config, person.id, { browser, parameters: { scope: 'openid email', prompt: 'none' } });
});

test('consent outlives the session: in another browser only the sign-in is asked', async () => {
  await signIn(flow, config, person.id, { browser });
  browser = createBrowser(flow.origin);
  const page = await ask();
  const end = await browser.submit(`${page.url.pathname}/login`, { account: person.id });
  expect(end.url.searchParams.has('code')).toBe(true);
});

test('asking for more asks for the new things only', async () => {
  await signIn(flow, config, person.id, { browser, parameters: { scope: 'openid email' } });
  const claims = JSON.stringify({ userinfo: { name: null } });
  const page = await upToConsent({ scope: 'openid email profile notes:read', resource: API, claims });
  expect(pageOf(page).missing).toEqual({
    scopes: ['profile'],
    claims: ['name'],
    resources: [
      { identifier: API, name: 'Notes API', scopes: [{ name: 'notes:read', description: 'Read your notes' }] },
    ],
  });
  expect(pageOf(page).reasons.sort()).toEqual(['op_claims_missing', 'op_scopes_missing', 'rs_scopes_missing']);
  expect((await answerPages(page, browser, person.id)).url.searchParams.has('code')).toBe(true);
  const more = await upToConsent({ scope: 'openid notes:read notes:write', resource: API });
  expect(pageOf(more).missing.resources[0].scopes).toEqual([{ name: 'notes:write', description: 'Change your notes' }]);
});

test('prompt=consent asks for everything again', async () => {
  await signIn(flow, config, person.id, { browser, parameters: { scope: 'openid email' } });
  const page = await upToConsent({ scope: 'openid email', prompt: 'consent' });
  expect(pageOf(page)).toMatchObject({ prompt: 'consent', missing: { scopes: ['openid', 'email'] } });
});

test('saying no is access_denied, for that request alone', async () => {
  const page = await upToConsent();
  const end = await browser.submit(`${page.url.pathname}/abort`, {});
  expect(end.url.searchParams.get('error')).toBe('access_denied');
  expect(end.url.searchParams.get('iss')).toBe(flow.issuer);
  expect(end.url.searchParams.has('code')).toBe(false);
  expect(pageOf(await ask()).prompt).toBe('consent');
});

test('S-014 S-015 without consent prompt=none gives an error and nothing else', async () => {
  await signIn(flow, await connect(flow, await flow.register({})), person.id, { browser });
  const { url } = await ask({ prompt: 'none' });
  expect(url.searchParams.get('error')).toBe('consent_required');
  expect(url.searchParams.has('code')).toBe(false);
});

test('first-party clients are not asked about, not even for an API', async () => {
  const first = await connect(flow, await flow.register({ resources: [API] }));
  const { url } = await authorizationRequest(first, { scope: 'openid profile notes:read', resource: API });
  const page = await browser.open(url.href);
  const end = await browser.submit(`${page.url.pathname}/login`, { account: person.id });
  expect(end.url.searchParams.has('code')).toBe(true);
});

test('S-053 what was agreed to for one client counts for that client only', async () => {
  await signIn(flow, config, person.id, { browser });
  const other = await connect(flow, await flow.register({ isFirstParty: false }));
  const { url } = await authorizationRequest(other, { prompt: 'none' });
  expect((await browser.open(url.href)).url.searchParams.get('error')).toBe('consent_required');
});

test('two consents given at once both count', async () => {
  const pages = [await upToConsent({ scope: 'openid email' }), await upToConsent({ scope: 'openid profile' })];
  await Promise.all(pages.map((page) => browser.submit(`${page.url.pathname}/consent`, {})));
  const both = await ask({ scope: 'openid email profile', prompt: 'none' });
  expect(both.url.searchParams.get('error')).toBeNull();
});

test('who comes with a session id that another tab has just replaced is refused, and nobody is signed out by it', async () => {
  const page = await upToConsent({ scope: 'openid email' });
  const second = await upToConsent({ scope: 'openid profile' });
  const before = browser.cookies.map((cookie) => ({ ...cookie }));
  await browser.submit(`${page.url.pathname}/consent`, {});
  const { url } = await authorizationRequest(config, { scope: 'openid', prompt: 'none' });
  const late = createBrowser(flow.origin);
  late.cookies.push(...before);
  const silent = await late.request(url.href);
  expect(new URL(silent.headers.get('location')!).searchParams.get('error')).toBe('login_required');
  expect(silent.headers.getSetCookie().join()).not.toContain('daemun_session');
  const resumed = await late.submit(`${second.url.pathname}/consent`, {});
  expect(resumed.response?.status).toBe(400);
  expect(resumed.response?.headers.getSetCookie().join()).not.toContain('daemun_session');
  // Whoever wants to sign in anew is given a session.
  const anew = await late.request((await authorizationRequest(config, { scope: 'openid' })).url.href);
  expect(anew.headers.getSetCookie().join()).toContain('daemun_session=');
});

test('a consent screen cannot be answered by a sign-in, nor a sign-in by a consent (S-143)', async () => {
  const login = await ask();
  expect((await browser.submit(`${login.url.pathname}/consent`, {})).response!.status).toBe(400);
  const consent = await browser.submit(`${login.url.pathname}/login`, { account: person.id });
  const other = await flow.people.create();
  const skipped = await browser.submit(`${consent.url.pathname}/login`, { account: other.id });
  expect(skipped.response!.status).toBe(400);
});

describe('a native client, which any program on the machine can pretend to be (S-015)', () => {
  beforeEach(async () => {
    const client = await flow.register({
      isFirstParty: false,
      metadata: { redirect_uris: ['http://127.0.0.1/cb'], token_endpoint_auth_method: 'none' },
    });
    config = await connect(flow, client);
  });

  const parameters = { redirect_uri: 'http://127.0.0.1:49152/cb' };

  test('gets nothing without the person acting, though consent is remembered', async () => {
    await signIn(flow, config, person.id, { browser, parameters });
    const silent = await ask({ ...parameters, prompt: 'none' });
    expect(silent.url.searchParams.get('error')).toBe('interaction_required');
    const page = await ask(parameters);
    expect(pageOf(page)).toMatchObject({
      prompt: 'consent',
      reasons: ['native_client_prompt'],
      missing: { scopes: ['openid'] },
    });
    expect((await answerPages(page, browser, person.id)).url.searchParams.has('code')).toBe(true);
  });

  test('is not asked about again when the person just signed in for it', async () => {
    await signIn(flow, config, person.id, { browser, parameters });
    const page = await ask({ ...parameters, prompt: 'login' });
    const end = await browser.submit(`${page.url.pathname}/login`, { account: person.id });
    expect(end.url.searchParams.has('code')).toBe(true);
  });

  test('S-015 an https address that the system ties to one application is silent', async () => {
    const client = await flow.register({
      isFirstParty: false,
      metadata: {
        redirect_uris: ['https://app.example.com/callback'],
        application_type: 'native',
        token_endpoint_auth_method: 'none',
      },
    });
    config = await connect(flow, client);
    await signIn(flow, config, person.id, { browser });
    await signIn(flow, config, person.id, { browser, parameters: { prompt: 'none' } });
  });
});

describe('consent that is withdrawn', () => {
  let client: { id: string; secret: string };
  beforeEach(async () => {
    client = await register();
    config = await connect(flow, client);
  });

  const register = () =>
    flow.register({ isFirstParty: false, metadata: { grant_types: ['authorization_code', 'refresh_token'] } });
  const withdraw = (userId = person.id) => consents.withdraw({ userId, clientId: client.id }, { actor: 'test' });
  const refresh = (refresh_token: string, as = client) =>
    post(`${flow.issuer}/token`, { grant_type: 'refresh_token', refresh_token }, basic(as));
  const userinfo = async (token: string) =>
    (await fetch(`${flow.issuer}/userinfo`, { headers: { authorization: `Bearer ${token}` } })).status;

  test('S-059 S-087 ends what the application holds, with the session and without it, and a code on its way', async () => {
    const { tokens } = await signIn(flow, config, person.id, { browser });
    const parameters = { scope: 'openid offline_access', prompt: 'consent' };
    const { tokens: lasting } = await signIn(flow, config, person.id, { parameters });
    const { form } = await obtainCode(flow, client, person.id, { browser });
    expect(await withdraw()).toBe('done');
    for (const { access_token, refresh_token } of [tokens, lasting]) {
      expect(await userinfo(access_token)).toBe(401);
      expect((await refresh(refresh_token!)).json.error).toBe('invalid_grant');
      const { json } = await post(`${flow.issuer}/introspect`, { token: access_token }, basic(client));
      expect(json).toEqual({ active: false });
    }
    expect((await post(`${flow.issuer}/token`, form, basic(client))).json.error).toBe('invalid_grant');
  });

  test('is asked for again, for everything, of a person who stays signed in', async () => {
    await signIn(flow, config, person.id, { browser, parameters: { scope: 'openid email' } });
    await withdraw();
    const silent = await ask({ scope: 'openid email', prompt: 'none' });
    expect(silent.url.searchParams.get('error')).toBe('consent_required');
    const page = await ask({ scope: 'openid email' });
    expect(pageOf(page)).toMatchObject({ prompt: 'consent', missing: { scopes: ['openid', 'email'] } });
    expect((await answerPages(page, browser, person.id)).url.searchParams.has('code')).toBe(true);
    await signIn(flow, config, person.id, { browser, parameters: { prompt: 'none' } });
  });

  test('leaves other applications and other people alone', async () => {
    const other = await register();
    const { tokens } = await signIn(flow, await connect(flow, other), person.id, { browser });
    const stranger = await flow.people.create();
    const { tokens: theirs } = await signIn(flow, config, stranger.id);
    await signIn(flow, config, person.id, { browser });
    await withdraw();
    expect((await refresh(tokens.refresh_token!, other)).status).toBe(200);
    expect((await refresh(theirs.refresh_token!)).status).toBe(200);
    expect((await consents.list(person.id)).map(({ clientId: id }) => id)).toEqual([other.id]);
  });

  test('is listed before with what was allowed, and happens once', async () => {
    await signIn(flow, config, person.id, { browser, parameters: { scope: 'openid email' } });
    expect(await consents.list(person.id)).toEqual([
      {
        clientId: client.id,
        clientName: 'Notes',
        scopes: ['openid', 'email'],
        claims: [],
        resourceScopes: {},
        createdAt: expect.any(Date),
        updatedAt: expect.any(Date),
      },
    ]);
    expect((await Promise.all([withdraw(), withdraw()])).sort()).toEqual(['done', 'not_found']);
    expect(await withdraw('x')).toBe('not_found');
    expect(await consents.list(person.id)).toEqual([]);
    const types = await flow.auditedTypes(person.id, 'consent.withdrawn');
    expect(types.filter((type) => type === 'consent.withdrawn')).toHaveLength(1);
  });

  test('S-059 while a request is making a grant of it is withdrawn for that request too', async () => {
    await signIn(flow, config, person.id, { browser });
    browser = createBrowser(flow.origin);
    await signIn(flow, await connect(flow, await flow.register({})), person.id, { browser });
    database.afterNext('consents.find', withdraw);
    const { url } = await ask({ prompt: 'none' });
    expect(database.isQuiet()).toBe(true);
    expect(url.searchParams.get('error')).toBe('consent_required');
    expect(pageOf(await ask()).prompt).toBe('consent');
  });
});

test('consent and refusal are in the audit log', async () => {
  const page = await upToConsent();
  await browser.submit(`${page.url.pathname}/abort`, {});
  await signIn(flow, config, person.id, { browser });
  const wanted = ['consent.denied', 'consent.granted', 'token.issued'];
  expect(await flow.auditedTypes(person.id, ...wanted)).toEqual(expect.arrayContaining(wanted));
});
