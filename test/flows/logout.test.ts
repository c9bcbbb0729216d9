import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { decodeJwt, decodeProtectedHeader, SignJWT } from 'jose';
import type * as oidc from 'openid-client';
import type { Account } from '../../src/accounts/account.ts';
import { type Browser, createBrowser, type Visit } from '../support/flow-browser.ts';
import { authorizationRequest, connect, pageOf, signIn } from '../support/flow-client.ts';
import { type Flow, startFlow } from '../support/flow-server.ts';

const HOME = 'https://app.example.com/signed-out';

let flow: Flow;
let person: Account;
let browser: Browser;
let config: oidc.Configuration;
let client: { id: string; secret: string };
let idToken: string;
beforeAll(async () => {
  flow = await startFlow();
  client = await flow.register({
    name: 'Notes',
    metadata: { post_logout_redirect_uris: [HOME, `${HOME}?fixed=1`], client_uri: 'https://app.example.com/' },
  });
  config = await connect(flow, client);
});
afterAll(() => flow.close());
beforeEach(async () => {
  person = await flow.people.create();
  browser = createBrowser(flow.origin);
  idToken = (await signIn(flow, config, person.id, { browser })).tokens.id_token!;
});

const leave = (parameters: Record<string, string> = {}) => browser.open(`/logout?${new URLSearchParams(parameters)}`);

async function confirm(visit: Visit, answer: Record<string, string> = { logout: 'yes' }): Promise<Visit> {
  const html: string = pageOf(visit).form ?? visit.text;
  const action = /action="([^"]+)"/.exec(html)![1]!;
  return browser.submit(action, { xsrf: /name="xsrf" value="([^"]+)"/.exec(html)![1]!, ...answer });
}

const silently = async () =>
  (await browser.open((await authorizationRequest(config, { prompt: 'none' })).url.href)).url.searchParams.get('error');

test('back at the registered address with the state, and prompt=none fails then (rp-initiated-logout)', async () => {
  const page = await leave({ id_token_hint: idToken, post_logout_redirect_uri: HOME, state: 'a b&c' });
  expect(pageOf(page)).toMatchObject({ screen: 'signOut', client: { name: 'Notes' }, accountId: person.id });
  const end = await confirm(page);
  expect(end.url.href).toBe(`${HOME}?state=a+b%26c`);
  expect(await silently()).toBe('login_required');
});

test('the form works by POST too, over plain http', async () => {
  const form = { id_token_hint: idToken, post_logout_redirect_uri: HOME, state: 's' };
  const response = await browser.request('/logout', { method: 'POST', body: new URLSearchParams(form) });
  expect(response.status).toBe(303);
  const end = await confirm(await browser.open(new URL(response.headers.get('location')!, flow.origin).href));
  expect(end.url.href).toBe(`${HOME}?state=s`);
  expect(await silently()).toBe('login_required');
});

describe('signed out on a page of ours', () => {
  test.each<[string, () => Record<string, string>]>([
    ['without any parameter (no-params)', () => ({})],
    ['with a state alone (only-state)', () => ({ state: 'alone' })],
    ['without an address (no-post-logout-redirect-uri)', () => ({ id_token_hint: idToken, state: 'x' })],
  ])('%s', async (_, parameters) => {
    const page = await leave(parameters());
    expect(pageOf(page).screen).toBe('signOut');
    const end = await confirm(page);
    expect([end.url.origin, pageOf(end).screen]).toEqual([flow.origin, 'signedOut']);
    expect(await silently()).toBe('login_required');
  });
});

test('no state is invented (no-state)', async () => {
  const end = await confirm(await leave({ id_token_hint: idToken, post_logout_redirect_uri: HOME }));
  expect(end.url.href).toBe(HOME);
});

test('whoever says no stays signed in', async () => {
  const end = await confirm(await leave({}), {});
  expect(end.url.origin).toBe(flow.origin);
  expect(await silently()).toBeNull();
});

describe('S-160 without a hint that is valid nobody is sent straight back', () => {
  const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 });

  test.each<[string, () => Promise<Record<string, string>>, string]>([
    ['no hint (no-id-token-hint)', async () => ({ post_logout_redirect_uri: HOME }), 'signOut'],
    [
      'an unregistered address (bad-post-logout-redirect-uri)',
      async () => ({ id_token_hint: idToken, post_logout_redirect_uri: 'https://evil.example/' }),
      'error',
    ],
    [
      'an added query (query-added-to-post-logout-redirect-uri)',
      async () => ({ id_token_hint: idToken, post_logout_redirect_uri: `${HOME}?x=1` }),
      'error',
    ],
    [
      'another registered query',
      async () => ({ id_token_hint: idToken, post_logout_redirect_uri: `${HOME}?fixed=2` }),
      'error',
    ],
    [
      'an unsigned hint (modified-id-token-hint)',
      async () => ({ id_token_hint: unsigned(), post_logout_redirect_uri: HOME }),
      'error',
    ],
    [
      'a foreign signature (bad-id-token-hint)',
      async () => ({ id_token_hint: await foreign(), post_logout_redirect_uri: HOME }),
      'error',
    ],
    ['no JWT', async () => ({ id_token_hint: 'x', post_logout_redirect_uri: HOME }), 'error'],
    [
      'a client that is not the one of the hint',
      async () => ({ id_token_hint: idToken, client_id: 'other', post_logout_redirect_uri: HOME }),
      'error',
    ],
    ['an unknown client', async () => ({ client_id: 'nobody', post_logout_redirect_uri: HOME }), 'error'],
  ])('%s', async (_, parameters, screen) => {
    const page = await leave(await parameters());
    expect([page.url.origin, pageOf(page).screen]).toEqual([flow.origin, screen]);
    if (screen === 'signOut') {
      const end = await confirm(page);
      expect(end.url.origin).toBe(flow.origin);
    } else {
      expect(page.response!.status).toBe(400);
      expect(await silently()).toBeNull();
    }
  });

  const unsigned = () => `${Buffer.from('{"alg":"none"}').toString('base64url')}.${idToken.split('.')[1]}.`;

  const foreign = () =>
    new SignJWT(decodeJwt(idToken))
      .setProtectedHeader({ ...(decodeProtectedHeader(idToken) as { alg: string }) })
      .sign(stranger.privateKey);
});

test('an application may name itself instead of showing a token; the person is asked', async () => {
  const page = await leave({ client_id: client.id, post_logout_redirect_uri: HOME });
  expect(pageOf(page)).toMatchObject({ screen: 'signOut', client: { name: 'Notes' } });
  expect((await confirm(page)).url.href).toBe(HOME);
});

test('S-155 S-170 nobody is signed out by another site', async () => {
  await leave({});
  for (const form of [{ logout: 'yes' }, { logout: 'yes', xsrf: '' }, { logout: 'yes', xsrf: 'x'.repeat(48) }]) {
    const visit = await browser.submit('/logout/confirm', form as Record<string, string>);
    expect(visit.response!.status).toBe(400);
  }
  const other = createBrowser(flow.origin);
  const xsrf = /value="([^"]+)"/.exec(pageOf(await leave({})).form)![1]!;
  expect((await other.submit('/logout/confirm', { xsrf, logout: 'yes' })).response!.status).toBe(400);
  expect(await silently()).toBeNull();
});

test('S-157 the old cookie and what was bound to the session are worth nothing afterwards', async () => {
  const old = browser.cookies.map((cookie) => ({ ...cookie }));
  const { tokens } = await signIn(flow, config, person.id, { browser });
  await confirm(await leave({ id_token_hint: idToken }));
  browser.cookies.splice(0, browser.cookies.length, ...old);
  expect(await silently()).toBe('login_required');
  const { status } = await fetch(`${flow.issuer}/userinfo`, {
    headers: { authorization: `Bearer ${tokens.access_token}` },
  });
  expect(status).toBe(401);
});

test('the end of the session is noted for the list of sessions', async () => {
  const before = flow.sessions.ended.length;
  const uid = flow.sessions.started.at(-1)!.uid;
  await confirm(await leave({}));
  expect(flow.sessions.ended.slice(before)).toEqual([uid]);
});

test('signing out without being signed in ends at the same place', async () => {
  browser = createBrowser(flow.origin);
  const page = await leave({ id_token_hint: idToken, post_logout_redirect_uri: HOME });
  expect(page.response!.headers.get('content-security-policy')).toContain("script-src 'sha256-");
  expect((await confirm(page)).url.href).toBe(HOME);
});

test('S-005 S-025 doubled and senseless parameters are a clean refusal', async () => {
  for (const query of [
    'state=a&state=b',
    `id_token_hint=${idToken}&id_token_hint=${idToken}`,
    'id_token_hint=a.b.c',
    `id_token_hint=${'x'.repeat(9000)}`,
  ]) {
    const visit = await browser.open(`/logout?${query}`);
    expect([visit.response!.status, pageOf(visit).screen]).toEqual([400, 'error']);
  }
  expect((await browser.open('/logout/success?client_id=nobody')).response!.status).toBe(400);
});
