import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type * as oidc from 'openid-client';
import type { Account } from '../../src/accounts/account.ts';
import { type Browser, createBrowser } from '../support/flow-browser.ts';
import { authorizationRequest, connect, pageOf, signIn } from '../support/flow-client.ts';
import { throughProxy } from '../support/flow-https.ts';
import { type Flow, startFlow } from '../support/flow-server.ts';

let flow: Flow;
let person: Account;
let browser: Browser;
let config: oidc.Configuration;
beforeAll(async () => {
  flow = await startFlow();
  config = await connect(flow, await flow.register({}));
});
afterAll(() => flow.close());
beforeEach(async () => {
  person = await flow.people.create();
  browser = createBrowser(flow.origin, { headers: { 'user-agent': 'Mozilla/5.0 Test' } });
});

const session = (of = browser) => of.cookies.find(({ name }) => name === 'daemun_session')?.value;

const ask = async (parameters: Record<string, string | null> = {}, asker = browser) =>
  asker.open((await authorizationRequest(config, parameters)).url.href);

const silently = async (asker = browser) => (await ask({ prompt: 'none' }, asker)).url.searchParams.get('error');

describe('S-150 the session id', () => {
  test('is 256 random bits and changes with every sign-in; the old one is dead', async () => {
    await signIn(flow, config, person.id, { browser });
    const first = session()!;
    const before = browser.cookies.map((cookie) => ({ ...cookie }));
    await signIn(flow, config, person.id, { browser, parameters: { prompt: 'login' } });
    expect(first).toMatch(/^[\w-]{43}$/);
    expect(session()).not.toBe(first);
    browser.cookies.splice(0, browser.cookies.length, ...before);
    expect(await silently()).toBe('login_required');
  });

  test('is never one that was there before: a planted cookie is not adopted', async () => {
    const attacker = createBrowser(flow.origin);
    await attacker.open('/logout');
    const planted = attacker.cookies.filter(({ name }) => name.startsWith('daemun_session'));
    expect(planted).toHaveLength(2);
    browser.cookies.push(...planted.map((cookie) => ({ ...cookie })));
    await signIn(flow, config, person.id, { browser });
    expect(session()).not.toBe(planted[0]!.value);
    expect(await silently(attacker)).toBe('login_required');
    browser.cookies.push({ name: 'daemun_session', value: 'x'.repeat(43), path: '/', attributes: '' });
  });

  test('S-153 of one person is not another’s, and nothing can be read from it', async () => {
    const ids = new Set<string>();
    for (let round = 0; round < 5; round++) {
      const other = createBrowser(flow.origin);
      await signIn(flow, config, person.id, { browser: other });
      ids.add(session(other)!);
    }
    expect(ids.size).toBe(5);
    for (const id of ids) expect(id).not.toContain(person.id.slice(0, 8));
  });
});

test('S-150 cookies that are forged, signed by nobody or full of rubbish mean not being signed in, and nothing breaks', async () => {
  await signIn(flow, config, person.id, { browser });
  const right = session()!;
  const signature = browser.cookies.find(({ name }) => name === 'daemun_session.sig')!.value;
  for (const cookie of [
    `daemun_session=${right}`,
    `daemun_session=${right}; daemun_session.sig=`,
    `daemun_session=${right}; daemun_session.sig=${'A'.repeat(43)}`,
    `daemun_session=${right.slice(0, -1)}x; daemun_session.sig=${signature}`,
    `daemun_session=; daemun_session.sig=${signature}`,
    `daemun_session="${'x'.repeat(5000)}"`,
    'daemun_session=%00%ff; daemun_session.sig=%00',
    '=; ; ;;; daemun_session',
    `daemun_session=__proto__; daemun_session.sig=constructor`,
  ]) {
    const { url } = await authorizationRequest(config, { prompt: 'none' });
    const response = await fetch(url, { redirect: 'manual', headers: { cookie } });
    expect([cookie.slice(0, 40), response.status]).toEqual([cookie.slice(0, 40), 303]);
    expect(response.headers.get('location')).toContain('error=login_required');
  }
});

describe('S-151 cookies', () => {
  test('of an https issuer carry the strictest prefixes, and every attribute', async () => {
    const https = await startFlow({ issuer: 'https://id.example.com' });
    try {
      const client = await https.register({});
      const someone = await https.people.create();
      const query = new URLSearchParams({
        client_id: client.id,
        response_type: 'code',
        scope: 'openid',
        redirect_uri: 'https://app.example.com/callback',
        code_challenge: 'a'.repeat(43),
        code_challenge_method: 'S256',
      });
      const start = await throughProxy(https, `/authorize?${query}`);
      const uid = /^\/interaction\/([\w-]{43})$/.exec(String(start.headers.location))![1]!;
      for (const line of start.cookies) {
        expect(line).toMatch(/^__Secure-daemun_(interaction|resume)(\.sig)?=/);
        expect(line).toMatch(/; secure/);
        expect(line).toMatch(/; httponly/);
        expect(line).toMatch(/; samesite=lax/);
        expect(line).toMatch(new RegExp(`; path=/(interaction|authorize)/${uid}`));
        expect(line).not.toMatch(/domain=/i);
      }
      const cookie = start.cookies.map((line) => line.split(';')[0]).join('; ');
      const form = { 'content-type': 'application/x-www-form-urlencoded', cookie };
      const signedIn = await throughProxy(https, `/interaction/${uid}/login`, {
        method: 'POST',
        headers: form,
        body: `account=${someone.id}`,
      });
      const resume = new URL(String(signedIn.headers.location));
      expect(resume.origin).toBe('https://id.example.com');
      const end = await throughProxy(https, resume.pathname, { headers: { cookie } });
      expect(end.headers.location).toContain('code=');
      const sessions = end.cookies.filter((line) => line.includes('session'));
      expect(sessions).toHaveLength(2);
      for (const line of sessions) {
        expect(line).toMatch(/^__Host-daemun_session(\.sig)?=[\w-]{43}; path=\/; /);
        for (const attribute of ['secure', 'httponly', 'samesite=lax', 'expires='])
          expect(line).toContain(`; ${attribute}`);
        expect(line).not.toMatch(/domain=/i);
      }
    } finally {
      await https.close();
    }
  });

  test('over plain http on loopback are HttpOnly and SameSite=Lax', async () => {
    await signIn(flow, config, person.id, { browser });
    for (const { attributes } of browser.cookies) {
      expect(attributes).toMatch(/httponly/);
      expect(attributes).toMatch(/samesite=lax/);
      expect(attributes).not.toMatch(/secure|domain/i);
    }
  });

  test('end with the browser when the person does not want to be remembered', async () => {
    const page = await ask();
    await browser.submit(`${page.url.pathname}/login`, { account: person.id, remember: 'no' });
    expect(browser.cookies.find(({ name }) => name === 'daemun_session')!.attributes).not.toContain('expires');
    expect(await silently()).toBeNull();
  });
});

describe('S-152 a session', () => {
  const DAY = 86_400;

  test('ends a fixed time after the sign-in, however much it is used', async () => {
    await signIn(flow, config, person.id, { browser });
    for (let week = 0; week < 2; week++) {
      await flow.age(6.9 * DAY);
      expect(await silently()).toBeNull();
    }
    await flow.age(0.3 * DAY);
    expect(await silently()).toBe('login_required');
  });

  test('begins anew with a new sign-in', async () => {
    await signIn(flow, config, person.id, { browser });
    await flow.age(10 * DAY);
    await signIn(flow, config, person.id, { browser, parameters: { prompt: 'login' } });
    await flow.age(10 * DAY);
    expect(await silently()).toBeNull();
  });

  test('that is alive ends earlier when the setting becomes shorter', async () => {
    await signIn(flow, config, person.id, { browser });
    await flow.age(2 * DAY);
    expect(await silently()).toBeNull();
    const shared = { database: flow.database, issuer: flow.issuer, secrets: flow.secrets };
    const stricter = await startFlow({ ...shared, lifetimes: { session: DAY } });
    const { url } = await authorizationRequest(config, { prompt: 'none' });
    const cookie = browser.cookies.map(({ name, value }) => `${name}=${value}`).join('; ');
    const answer = await throughProxy(stricter, `${url.pathname}${url.search}`, { headers: { cookie } });
    expect(answer.headers.location).toContain('error=login_required');
    await stricter.close();
  });
});

describe('S-154 an interaction', () => {
  test('opened in another browser does nothing', async () => {
    const page = await ask();
    const other = createBrowser(flow.origin);
    const seen = await other.open(page.url.href);
    expect([seen.response!.status, pageOf(seen).error]).toEqual([400, 'interaction_expired']);
    const answered = await other.submit(`${page.url.pathname}/login`, { account: person.id });
    expect(answered.response!.status).toBe(400);
    const resumed = await other.open(page.url.pathname.replace('interaction', 'authorize'));
    expect(resumed.response!.status).toBe(400);
    expect(session(other)).toBeUndefined();
  });

  test('does not take the cookies of another flow', async () => {
    const victim = await ask();
    const attacker = createBrowser(flow.origin);
    const theirs = await ask({}, attacker);
    await attacker.request(`${theirs.url.pathname}/login`, {
      method: 'POST',
      body: new URLSearchParams({ account: (await flow.people.create()).id }),
    });
    const path = (of: string) => victim.url.pathname.replace('/interaction', of);
    const swapped = attacker.cookies.map((cookie) => ({
      ...cookie,
      path: path(cookie.name.includes('resume') ? '/authorize' : '/interaction'),
    }));
    browser.cookies.splice(0, browser.cookies.length, ...swapped);
    expect((await browser.open(path('/interaction'))).response!.status).toBe(400);
    expect((await browser.open(path('/authorize'))).response!.status).toBe(400);
    expect(session()).toBeUndefined();
  });

  test('works once', async () => {
    const page = await ask();
    const end = await browser.submit(`${page.url.pathname}/login`, { account: person.id });
    expect(end.url.searchParams.has('code')).toBe(true);
    expect((await browser.open(page.url.href)).response!.status).toBe(400);
    expect((await browser.open(page.url.pathname.replace('interaction', 'authorize'))).response!.status).toBe(400);
  });

  test('of a person who has signed out meanwhile is over', async () => {
    await signIn(flow, config, person.id, { browser });
    const page = await ask({ prompt: 'login' });
    const { form } = pageOf(await browser.open('/logout'));
    await browser.submit('/logout/confirm', { xsrf: /value="([^"]+)"/.exec(form)![1]!, logout: 'yes' });
    expect((await browser.open(page.url.href)).response!.status).toBe(400);
  });

  test.each(['x', 'x'.repeat(43), '%00', '..', 'a/b'])('at the address %s is an error page', async (uid) => {
    const visit = await browser.open(`/authorize/${uid}`);
    expect([400, 404]).toContain(visit.response!.status);
  });
});

test('a sign-in is noted for the list of sessions before the browser goes on, and its uses afterwards', async () => {
  const page = await ask();
  const before = flow.sessions.started.length;
  await browser.submit(`${page.url.pathname}/login`, { account: person.id });
  const [started] = flow.sessions.started.slice(before);
  expect(started).toMatchObject({
    userId: person.id,
    amr: ['pwd'],
    userAgent: 'Mozilla/5.0 Test',
    address: '127.0.0.1',
    uid: expect.stringMatching(/^[\w-]{43}$/),
    requestId: expect.any(String),
  });
  await silently();
  expect(flow.sessions.touched.at(-1)).toBe(started!.uid);
});
