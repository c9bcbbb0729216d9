import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Configuration } from 'openid-client';
import type { Account } from '../../src/accounts/account.ts';
import { type Browser, createBrowser } from '../support/flow-browser.ts';
import { answerPages, authorizationRequest, connect, pageOf, signIn } from '../support/flow-client.ts';
import { CALLBACK, type Flow, startFlow } from '../support/flow-server.ts';

let flow: Flow;
let config: Configuration;
beforeAll(async () => {
  flow = await startFlow();
  config = await connect(flow, await flow.register({}));
});
afterAll(() => flow.close());

let person: Account;
let browser: Browser;
beforeEach(async () => {
  person = await flow.people.create();
  browser = createBrowser(flow.origin);
});

const ask = async (parameters: Record<string, string | null>, asker = browser) =>
  asker.open((await authorizationRequest(config, parameters)).url.href);

/** What an ID token of this sign-in says after so many seconds, when nobody signed in again: everything stored is older by them. */
const authTimeAfter = (seconds: number, { auth_time }: { auth_time?: number }) => auth_time! - seconds;

describe('prompt=none', () => {
  test('S-014 without a sign-in is an error and no page (prompt-none-not-logged-in)', async () => {
    const { url, trail } = await ask({ prompt: 'none' });
    expect(url.href).toContain(CALLBACK);
    expect(url.searchParams.get('error')).toBe('login_required');
    expect(url.searchParams.get('iss')).toBe(flow.issuer);
    expect(url.searchParams.get('state')).toEqual(expect.any(String));
    expect(trail).toHaveLength(2);
  });

  test('S-014 with a sign-in is silent, for the same person and moment (prompt-none-logged-in)', async () => {
    const first = await signIn(flow, config, person.id, { browser });
    await flow.age(2);
    const second = await signIn(flow, config, person.id, { browser, parameters: { prompt: 'none' } });
    const claims = first.tokens.claims()!;
    expect(second.tokens.claims()).toMatchObject({ sub: claims.sub, auth_time: authTimeAfter(2, claims) });
  });

  test('cannot be combined', async () => {
    const { url } = await ask({ prompt: 'none login' });
    expect(url.searchParams.get('error')).toBe('invalid_request');
  });
});

describe('prompt=login', () => {
  test('S-016 asks again and moves auth_time (prompt-login)', async () => {
    const first = await signIn(flow, config, person.id, { browser });
    await flow.age(2);
    const visit = await ask({ prompt: 'login' });
    expect(pageOf(visit)).toMatchObject({ prompt: 'login', reasons: ['login_prompt'], accountId: person.id });
    const second = await signIn(flow, config, person.id, { browser, parameters: { prompt: 'login' } });
    const [before, now] = [first.tokens.claims()!, second.tokens.claims()!];
    expect(now.sub).toBe(before.sub);
    expect(now.auth_time!).toBeGreaterThan(authTimeAfter(2, before));
  });

  test('S-016 walking away leaves the sign-in as it was and gives nothing', async () => {
    const first = await signIn(flow, config, person.id, { browser });
    const page = await ask({ prompt: 'login' });
    const left = await browser.submit(`${page.url.pathname}/abort`, {});
    expect(left.url.searchParams.get('error')).toBe('access_denied');
    expect(left.url.searchParams.has('code')).toBe(false);
    const again = await signIn(flow, config, person.id, { browser, parameters: { prompt: 'none' } });
    expect(again.tokens.claims()!.auth_time).toBe(first.tokens.claims()!.auth_time);
  });

  test('another person may sign in instead, who then is the one signed in', async () => {
    await signIn(flow, config, person.id, { browser });
    const left = flow.sessions.started.at(-1)!.uid;
    const other = await flow.people.create();
    const { url, state } = await authorizationRequest(config, { prompt: 'login' });
    const page = await browser.open(url.href);
    const handOver = await browser.submit(`${page.url.pathname}/login`, { account: other.id });
    // The engine ends the old session first, by a page that submits itself.
    const form = /action="([^"]+)"/.exec(handOver.text)![1]!;
    const xsrf = /name="xsrf" value="([^"]+)"/.exec(handOver.text)![1]!;
    const end = await browser.submit(form, { xsrf, logout: 'yes' });
    expect(end.url.searchParams.get('state')).toBe(state);
    expect(end.url.searchParams.has('code')).toBe(true);
    const { tokens } = await signIn(flow, config, other.id, { browser, parameters: { prompt: 'none' } });
    expect(tokens.claims()!.sub).toBe(other.id);
    expect(flow.sessions.ended.filter((uid) => uid === left)).toHaveLength(1);
  });
});

describe('S-017 max_age', () => {
  test('of one second asks again (max-age-1)', async () => {
    const first = await signIn(flow, config, person.id, { browser });
    await flow.age(3);
    const second = await signIn(flow, config, person.id, { browser, parameters: { max_age: '1' } });
    expect(second.tokens.claims()!.auth_time!).toBeGreaterThan(authTimeAfter(3, first.tokens.claims()!));
  });

  test('of many seconds asks nothing and auth_time stays (max-age-10000)', async () => {
    const first = await signIn(flow, config, person.id, { browser });
    await flow.age(2);
    const second = await signIn(flow, config, person.id, { browser, parameters: { max_age: '10000', prompt: 'none' } });
    expect(second.tokens.claims()!.auth_time).toBe(authTimeAfter(2, first.tokens.claims()!));
  });

  test('of zero always asks', async () => {
    await signIn(flow, config, person.id, { browser });
    expect(pageOf(await ask({ max_age: '0' })).prompt).toBe('login');
    expect((await ask({ max_age: '0', prompt: 'none' })).url.searchParams.get('error')).toBe('login_required');
    const { tokens } = await signIn(flow, config, person.id, { browser, parameters: { max_age: '0' } });
    expect(tokens.claims()!.auth_time).toEqual(expect.any(Number));
  });

  test.each(['-1', '1.5', 'abc', '1e309', '99999999999999999999'])('of %s is refused', async (max_age) => {
    expect((await ask({ max_age })).url.searchParams.get('error')).toBe('invalid_request');
  });
});

describe('id_token_hint', () => {
  test('of the person who is signed in succeeds silently (id-token-hint)', async () => {
    const { tokens } = await signIn(flow, config, person.id, { browser });
    const again = await signIn(flow, config, person.id, {
      browser,
      parameters: { prompt: 'none', id_token_hint: tokens.id_token! },
    });
    expect(again.tokens.claims()!.sub).toBe(person.id);
  });

  test('of another person asks that person to sign in, once', async () => {
    const other = await flow.people.create();
    const { tokens } = await signIn(flow, config, other.id);
    await signIn(flow, config, person.id, { browser });
    const hint = { id_token_hint: tokens.id_token! };
    expect((await ask({ ...hint, prompt: 'none' })).url.searchParams.get('error')).toBe('login_required');
    const page = await ask(hint);
    expect(pageOf(page)).toMatchObject({ prompt: 'login', reasons: ['id_token_hint'] });
    const stubborn = await browser.submit(`${page.url.pathname}/login`, { account: person.id });
    expect(stubborn.url.searchParams.get('error')).toBe('login_required');
  });

  test('S-025 that is not one of ours, or not for this client, is a clean refusal', async () => {
    const elsewhere = await connect(flow, await flow.register({}));
    const { tokens } = await signIn(flow, elsewhere, person.id);
    const [header, payload] = tokens.id_token!.split('.');
    const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.`;
    for (const id_token_hint of ['x', 'a.b.c', '\u0001', tokens.id_token!, unsigned, `${header}.${payload}.AAAA`]) {
      expect((await ask({ id_token_hint })).url.searchParams.get('error')).toBe('invalid_request');
    }
  });
});

describe('S-018 an authentication context', () => {
  const acr = (acr: object) => ({ claims: JSON.stringify({ id_token: { acr } }) });

  test('that is essential and impossible fails, before and after signing in', async () => {
    const wish = acr({ essential: true, values: ['urn:example:retina-scan'] });
    expect((await ask(wish)).url.searchParams.get('error')).toBe('unmet_authentication_requirements');
    await signIn(flow, config, person.id, { browser });
    expect((await ask(wish)).url.searchParams.get('error')).toBe('unmet_authentication_requirements');
    const one = acr({ essential: true, value: 'urn:example:retina-scan' });
    expect((await ask(one)).url.searchParams.get('error')).toBe('unmet_authentication_requirements');
  });

  test('that is essential and possible is met', async () => {
    const { tokens } = await signIn(flow, config, person.id, {
      parameters: acr({ essential: true, values: ['urn:daemun:acr:one-factor'] }),
    });
    expect(tokens.claims()!.acr).toBe('urn:daemun:acr:one-factor');
  });

  test('that is only wished for changes nothing, and the ID token says what was done', async () => {
    const { tokens } = await signIn(flow, config, person.id, { parameters: { acr_values: 'urn:example:retina-scan' } });
    expect(tokens.claims()).toMatchObject({ acr: 'urn:daemun:acr:one-factor', amr: ['pwd'] });
  });
});

test.each([
  ['a prompt nobody knows', { prompt: 'dance' }],
  ['a method of PKCE nobody should use', { code_challenge_method: 'plain' }],
  ['a response mode nobody knows', { response_mode: 'pigeon' }],
])('S-025 %s is refused, and the application is told', async (_, parameters) => {
  const { url } = await ask(parameters);
  expect(url.href).toContain(CALLBACK);
  expect(url.searchParams.get('error')).toEqual(expect.any(String));
  expect(url.searchParams.get('iss')).toBe(flow.issuer);
});

test('S-036 a person who is disabled while signed in is asked to sign in, and nothing breaks', async () => {
  await signIn(flow, config, person.id, { browser });
  await flow.people.set({ ...person, state: 'disabled' });
  expect((await ask({ prompt: 'none' })).url.searchParams.get('error')).toBe('login_required');
  expect(pageOf(await ask({})).prompt).toBe('login');
  const page = await ask({});
  const again = await browser.submit(`${page.url.pathname}/login`, { account: person.id });
  expect(pageOf(again).prompt).toBe('login');
});

test('a request with a sign-in in another tab of the browser goes on', async () => {
  const first = await ask({});
  const second = await ask({});
  expect((await answerPages(first, browser, person.id)).url.searchParams.has('code')).toBe(true);
  expect((await answerPages(second, browser, person.id)).url.searchParams.has('code')).toBe(true);
});
