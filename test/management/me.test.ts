import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Account } from '../../src/accounts/account.ts';
import { createBrowser } from '../support/flow-browser.ts';
import { authorizationRequest, connect } from '../support/flow-client.ts';
import { type Api, BY, REDIRECT_URI, startApi } from './api.ts';

let api: Api;
let person: Account;
let other: Account;
beforeAll(async () => {
  api = await startApi();
  person = await api.person();
  other = await api.person();
});
afterAll(() => api.close());

describe('S-159 one’s sessions', () => {
  test('are listed with the one that asks, and end one by one and all others at once', async () => {
    const [here, there, elsewhere] = [await api.signIn(person), await api.signIn(person), await api.signIn(person)];
    const { json } = await api.ask('GET', '/me/sessions', { browser: here });
    expect(json.items).toHaveLength(3);
    const current = json.items.find((each: { current: boolean }) => each.current);
    expect(json.items.filter((each: { current: boolean }) => each.current)).toHaveLength(1);
    expect(current).toMatchObject({ amr: ['pwd'] });

    const ofThere = (await api.ask('GET', '/me', { browser: there })).json.authentication.sessionId;
    expect((await api.askFromPage(here, 'DELETE', `/me/sessions/${ofThere}`)).status).toBe(204);
    expect((await api.ask('GET', '/me', { browser: there })).status).toBe(401);
    expect((await api.askFromPage(here, 'DELETE', `/me/sessions/${ofThere}`)).status).toBe(404);

    expect((await api.askFromPage(here, 'DELETE', '/me/sessions')).json).toEqual({ ended: 1 });
    expect((await api.ask('GET', '/me', { browser: elsewhere })).status).toBe(401);
    expect((await api.ask('GET', '/me', { browser: here })).status).toBe(200);

    expect((await api.askFromPage(here, 'DELETE', `/me/sessions/${current.id}`)).status).toBe(204);
    expect((await api.ask('GET', '/me', { browser: here })).status).toBe(401);
  });

  test('end by a key with its scope: all of them, since none of them asks', async () => {
    const browser = await api.signIn(person);
    const { value } = await api.key({ kind: 'user', id: person.id }, ['sessions:write']);
    expect((await api.ask('DELETE', '/me/sessions', { bearer: value })).json).toEqual({ ended: 1 });
    expect((await api.ask('GET', '/me', { browser })).status).toBe(401);
    expect((await api.ask('GET', '/me/sessions', { bearer: value })).status).toBe(403);
  });

  test('of others are nowhere', async () => {
    const theirs = await api.signIn(other);
    const { sessionId } = (await api.ask('GET', '/me', { browser: theirs })).json.authentication;
    const { value } = await api.key({ kind: 'user', id: person.id }, ['sessions:write', 'sessions:read']);
    expect((await api.ask('DELETE', `/me/sessions/${sessionId}`, { bearer: value })).status).toBe(404);
    expect((await api.ask('GET', '/me/sessions', { bearer: value })).text).not.toContain(sessionId);
    expect((await api.ask('GET', '/me', { browser: theirs })).status).toBe(200);
  });

  test('are people’s: a key of the installation has none', async () => {
    const { value } = await api.key({ kind: 'system' }, ['sessions:read', 'sessions:write']);
    expect((await api.ask('GET', '/me/sessions', { bearer: value })).status).toBe(403);
    expect((await api.ask('GET', '/me/csrf-token', { bearer: value })).status).toBe(403);
  });
});

describe('a session of a browser counts', () => {
  test('S-152 no longer than its sign-in does, whatever the cookie says', async () => {
    const browser = await api.signIn(person);
    await api.ageSessions(person, 400 * 86_400);
    expect((await api.ask('GET', '/me', { browser })).status).toBe(401);
  });

  test('S-157 not after it was signed out', async () => {
    const browser = await api.signIn(person);
    const page = await browser.open('/logout');
    const xsrf = /name="xsrf" value="([^"]+)"/.exec(page.text)?.[1];
    await browser.submit('/logout/confirm', { xsrf: xsrf!, logout: 'yes' });
    expect((await api.ask('GET', '/me', { browser })).status).toBe(401);
  });

  test('S-158 not after the person’s access was ended, also for the same cookie on another connection', async () => {
    const someone = await api.person();
    const browser = await api.signIn(someone);
    const copy = createBrowser(api.issuer);
    copy.cookies.push(...browser.cookies.map((cookie) => ({ ...cookie })));
    await api.services.accounts.disable(someone.id, BY);
    for (const each of [browser, copy]) expect((await api.ask('GET', '/me', { browser: each })).status).toBe(401);
  });
});

test('S-166 consent to our own API names its scopes in the reader’s language, and none that are for administrators', async () => {
  const metadata = { redirect_uris: [REDIRECT_URI], token_endpoint_auth_method: 'none' };
  await api.services.clients.create({ id: 'third', name: 'Third', metadata, resources: [api.resource] }, BY);
  const config = await connect(api, { id: 'third' });
  for (const [language, words] of [
    ['ko', 'API 키'],
    ['en', 'See your API keys, but not their values'],
  ] as const) {
    const browser = await api.signIn(person);
    const scope = 'openid api-keys:read users:read';
    const { url } = await authorizationRequest(config, {
      redirect_uri: REDIRECT_URI,
      scope,
      resource: api.resource,
      ui_locales: language,
    });
    const { text } = await browser.open(url.href);
    expect(text).toContain(words);
    expect(text).toContain('<code>api-keys:read</code>');
    expect(text).not.toContain('users:read');
  }
});
