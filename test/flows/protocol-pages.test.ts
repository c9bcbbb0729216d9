import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type * as oidc from 'openid-client';
import { type Browser, createBrowser, type Visit } from '../support/flow-browser.ts';
import { authorizationRequest, connect, pageOf, signIn } from '../support/flow-client.ts';
import { type Flow, startFlow } from '../support/flow-server.ts';

/** The addresses of the protocol that browsers are led to. What programs call is in bad-input.test.ts. */
let flow: Flow;
let config: oidc.Configuration;
let idToken: string;
let browser: Browser;
let tokensOfPerson: () => Promise<void>;
beforeAll(async () => {
  flow = await startFlow();
  config = await connect(flow, await flow.register({}));
});
afterAll(() => flow.close());
beforeEach(async () => {
  browser = createBrowser(flow.origin);
  tokensOfPerson = async () => {
    const person = await flow.people.create();
    idToken = (await signIn(flow, config, person.id, { browser })).tokens.id_token!;
  };
});

const cookie = (name: string, of = browser) => of.cookies.find((each) => each.name === name)!;
const form = (fields: URLSearchParams | string) => ({ method: 'POST', body: new URLSearchParams(fields) });
const whatItSays = (visit: Visit) => pageOf(visit).error ?? visit.url.searchParams.get('error') ?? undefined;

/** Whether this browser passes for somebody who is signed in. */
async function isSignedIn(): Promise<boolean> {
  const { url } = await authorizationRequest(config, { prompt: 'none' });
  const end = (await browser.open(url.href)).url.searchParams;
  if (!end.has('code')) expect(end.get('error')).toBe('login_required');
  return end.has('code');
}

/** A browser whose person answered the page and was not yet led on: where it is led to. */
async function answered(of = browser): Promise<string> {
  const person = await flow.people.create();
  const { url } = await authorizationRequest(config);
  const { pathname } = (await of.open(url.href)).url;
  return (await of.request(`${pathname}/login`, form(`account=${person.id}`))).headers.get('location')!;
}

/** The sign-out page's form. */
async function signOutForm(): Promise<URLSearchParams> {
  const { form: html } = pageOf(await browser.open('/logout'));
  return new URLSearchParams({ xsrf: /name="xsrf" value="([^"]+)"/.exec(html)![1]!, logout: 'yes' });
}

describe('S-172 a parameter that is there twice is refused', () => {
  test.each(['GET', 'POST'])('in an authorization request by %s', async (method) => {
    const { url } = await authorizationRequest(config, { login_hint: 'kim', max_age: '600', ui_locales: 'ko' });
    const send = (query: URLSearchParams) =>
      method === 'GET' ? browser.open(`/authorize?${query}`) : browser.open('/authorize', form(query));
    expect(pageOf(await send(url.searchParams)).screen).toBe('interaction');
    for (const name of url.searchParams.keys()) {
      const query = new URLSearchParams(url.searchParams);
      query.append(name, query.get(name)!);
      const end = await send(query);
      expect([name, whatItSays(end)]).toEqual([name, 'invalid_request']);
      // Which of two clients was meant is not guessed.
      if (name === 'client_id') expect(end.url.origin).toBe(flow.origin);
    }
  });

  test('in an authorization request that is half address and half form', async () => {
    const { url } = await authorizationRequest(config);
    const end = await browser.open(`/authorize?state=${url.searchParams.get('state')}`, form(url.searchParams));
    expect(whatItSays(end)).toBe('invalid_request');
  });

  test.each(['GET', 'POST'])('in a sign-out by %s', async (method) => {
    await tokensOfPerson();
    const fields = new URLSearchParams({ id_token_hint: idToken, state: 's', ui_locales: 'ko' });
    const send = (query: URLSearchParams) =>
      method === 'GET' ? browser.open(`/logout?${query}`) : browser.open('/logout', form(query));
    expect(pageOf(await send(fields)).screen).toBe('signOut');
    for (const name of fields.keys()) {
      const query = new URLSearchParams(fields);
      query.append(name, fields.get(name)!);
      expect([name, whatItSays(await send(query))]).toEqual([name, 'invalid_request']);
    }
  });

  test.each(['xsrf', 'logout'])('in the answer to the sign-out page: %s', async (name) => {
    await tokensOfPerson();
    const fields = await signOutForm();
    fields.append(name, fields.get(name)!);
    expect(whatItSays(await browser.open('/logout/confirm', form(fields)))).toBe('invalid_request');
    expect(await isSignedIn()).toBe(true);
  });
});

describe('S-150 S-151 a session cookie that is not ours signs nobody in', () => {
  test.each<[string, (value: string) => string]>([
    ['other', (value) => `${value.slice(0, -4)}AAAA`],
    ['somebody’s guess', () => 'A'.repeat(43)],
    ['empty', () => ''],
    ['not encoded', () => '%zz"\\'],
    ['endless', () => 'x'.repeat(4000)],
  ])('%s', async (_, forge) => {
    await tokensOfPerson();
    expect(await isSignedIn()).toBe(true);
    const session = cookie('daemun_session');
    session.value = forge(session.value);
    expect(await isSignedIn()).toBe(false);
  });

  test.each<[string, (value: string) => string]>([
    ['without its signature', () => ''],
    ['with a signature that was changed', (value) => `${value.startsWith('A') ? 'B' : 'A'}${value.slice(1)}`],
    ['with the signature of another browser', () => ''],
  ])('the right one %s', async (name, forge) => {
    await tokensOfPerson();
    const signature = cookie('daemun_session.sig');
    if (name.endsWith('another browser')) {
      const other = createBrowser(flow.origin);
      await signIn(flow, config, (await flow.people.create()).id, { browser: other });
      signature.value = cookie('daemun_session.sig', other).value;
    } else {
      signature.value = forge(signature.value);
    }
    expect(await isSignedIn()).toBe(false);
  });
});

describe('S-154 a sign-in is continued by the browser that answered it alone', () => {
  const leadsOn = async (location: string) => (await browser.open(location)).url.searchParams.has('code');

  test('which has its cookie', async () => {
    expect(await leadsOn(await answered())).toBe(true);
  });

  test.each<[string, (name: string) => void]>([
    ['absent', (name) => browser.cookies.splice(browser.cookies.indexOf(cookie(name)), 1)],
    ['changed', (name) => Object.assign(cookie(name), { value: `${cookie(name).value.slice(0, -1)}!` })],
    ['unsigned', (name) => Object.assign(cookie(`${name}.sig`), { value: '' })],
  ])('and not when the cookie is %s', async (_, forge) => {
    const location = await answered();
    forge('daemun_resume');
    const end = await browser.open(location);
    expect([end.response?.status, pageOf(end).screen]).toEqual([400, 'error']);
  });

  test('and not with the cookie of another browser', async () => {
    const location = await answered();
    const other = createBrowser(flow.origin);
    await answered(other);
    for (const name of ['daemun_resume', 'daemun_resume.sig']) cookie(name).value = cookie(name, other).value;
    expect((await browser.open(location)).response?.status).toBe(400);
  });
});

describe('S-170 a sign-out is confirmed by our own page alone', () => {
  test.each<[string, (fields: URLSearchParams) => void]>([
    ['no token', (fields) => fields.delete('xsrf')],
    ['an empty token', (fields) => fields.set('xsrf', '')],
    ['another token', (fields) => fields.set('xsrf', 'a'.repeat(48))],
  ])('not by %s', async (_, change) => {
    await tokensOfPerson();
    const fields = await signOutForm();
    change(fields);
    expect(whatItSays(await browser.open('/logout/confirm', form(fields)))).toBe('invalid_request');
    expect(await isSignedIn()).toBe(true);
  });

  test('but by the right one', async () => {
    await tokensOfPerson();
    await browser.open('/logout/confirm', form(await signOutForm()));
    expect(await isSignedIn()).toBe(false);
  });
});

test.each(['/authorize', '/logout', '/logout/confirm'])('a form for %s says which charset is wanted', async (path) => {
  const headers = {
    accept: 'application/json',
    'content-type': 'application/x-www-form-urlencoded; charset=iso-8859-1',
  };
  const response = await browser.request(path, { method: 'POST', headers, body: 'x=y' });
  expect(await response.json()).toMatchObject({ status: 415, detail: 'Send the form as UTF-8.' });
});

describe('S-024 S-023 S-168 no frame, no script, no referrer, nothing kept', () => {
  const json = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' };
  const large = form(`x=${'a'.repeat(70_000)}`);

  test.each<[string, number, () => Promise<Response>]>([
    ['an authorization request', 303, async () => browser.request((await authorizationRequest(config)).url.href)],
    ['where an answered page leads', 303, async () => browser.request(await answered())],
    ['an error of an application', 400, () => browser.request('/authorize?client_id=nobody')],
    ['a wrong method', 405, () => browser.request('/authorize', { method: 'PUT' })],
    ['a wrong type', 415, () => browser.request('/authorize', json)],
    ['too much', 413, () => browser.request('/authorize', large)],
    ['a sign-in of another browser', 400, () => browser.request(`/authorize/${'x'.repeat(43)}`)],
    ['a sign-out', 200, () => browser.request('/logout')],
    ['a sign-out of the wrong type', 415, () => browser.request('/logout', json)],
    ['too large a sign-out', 413, () => browser.request('/logout', large)],
    ['an answer to the sign-out page of the wrong method', 405, () => browser.request('/logout/confirm')],
    ['an answer to the sign-out page of the wrong type', 415, () => browser.request('/logout/confirm', json)],
    ['too large an answer to the sign-out page', 413, () => browser.request('/logout/confirm', large)],
    ['an answer to no sign-out page', 400, () => browser.request('/logout/confirm', form('logout=yes'))],
    ['the page after a sign-out', 200, () => browser.request('/logout/success')],
    ['the page after a sign-out, by the wrong method', 405, () => browser.request('/logout/success', form(''))],
    [
      'another host',
      421,
      () => fetch(flow.origin.replace('127.0.0.1', 'localhost'), { headers: { accept: 'text/html' } }),
    ],
  ])('%s (%i)', async (_, status, ask) => {
    const response = await ask();
    expect(response.status).toBe(status);
    const policy = response.headers.get('content-security-policy')!;
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain('unsafe');
    expect(response.headers.get('x-frame-options')).toBe('DENY');
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    expect(response.headers.get('referrer-policy')).toBe('no-referrer');
    expect(response.headers.get('cache-control')).toBe('no-store');
  });
});
