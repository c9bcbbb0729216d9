import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Browser } from './support/browser.ts';
import { startWorld, type World } from './support/world.ts';

let world: World;
let browser: Browser;
beforeEach(async () => {
  world = await startWorld();
  browser = new Browser();
});
afterEach(() => world.close());

test('a stranger is invited, signs in, and sees the profile from ID token and userinfo', async () => {
  const home = await browser.open(`${world.webApp}/`);
  expect(home.text).toContain('href="/sign-in"');
  const profile = await browser.open(`${world.webApp}/sign-in`);
  expect([profile.status, profile.url]).toEqual([200, `${world.webApp}/profile`]);
  expect(profile.text).toContain('ann@example.com');
  expect(profile.text).toContain('Ann &lt;b&gt;Kim&lt;/b&gt;');
  expect(profile.text).toContain('nonce');
  expect((await browser.open(`${world.webApp}/`)).text).toContain('Welcome, Ann.');
});

test('the request to the provider carries PKCE S256, state and nonce, fresh each time', async () => {
  const ask = async () => {
    const { headers, status } = await browser.fetch(`${world.webApp}/sign-in`);
    expect(status).toBe(303);
    return new URL(headers.get('location') as string);
  };
  const [first, second] = [await ask(), await ask()];
  expect(first.origin).toBe(world.issuer);
  const parameters = Object.fromEntries(first.searchParams);
  expect(parameters).toEqual({
    client_id: 'web-app',
    response_type: 'code',
    redirect_uri: `${world.webApp}/callback`,
    scope: 'openid profile email',
    state: expect.stringMatching(/^.{43}$/),
    nonce: expect.stringMatching(/^.{43}$/),
    code_challenge: expect.stringMatching(/^.{43}$/),
    code_challenge_method: 'S256',
  });
  for (const name of ['state', 'nonce', 'code_challenge']) {
    expect(second.searchParams.get(name)).not.toBe(parameters[name]);
  }
});

test('refreshing brings new tokens and reads the profile again', async () => {
  const profile = await browser.open(`${world.webApp}/sign-in`);
  const refreshed = await browser.submit(profile, '/refresh');
  expect([refreshed.status, refreshed.url]).toEqual([200, `${world.webApp}/profile`]);
  expect(refreshed.text).toContain('New tokens have arrived');
  const again = await browser.submit(refreshed, '/refresh');
  expect(again.text).toContain('New tokens have arrived');
  expect((await browser.open(`${world.webApp}/profile`)).text).not.toContain('New tokens have arrived');
});

test('signing out ends the session here and at the provider, and says so', async () => {
  const profile = await browser.open(`${world.webApp}/sign-in`);
  const question = await browser.submit(profile, '/sign-out');
  const asked = new URL(browser.visited.find((url) => url.includes('/session/end')) as string);
  expect(asked.searchParams.get('post_logout_redirect_uri')).toBe(`${world.webApp}/`);
  expect(asked.searchParams.get('id_token_hint')).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/);
  expect(browser.cookies(world.webApp).size).toBe(0);

  const home = await browser.submit(question, `${world.issuer}/session/end/confirm`);
  expect(home.url).toMatch(`${world.webApp}/?state=signed-out`);
  expect(home.text).toContain('You are signed out');
  expect((await browser.open(`${world.webApp}/profile`)).status).toBe(401);
});

describe('the cookie', () => {
  test('is HttpOnly and Lax, changes at sign-in, and the one before is worth nothing', async () => {
    const first = await browser.fetch(`${world.webApp}/sign-in`);
    expect(first.headers.getSetCookie()).toEqual([expect.stringMatching(/^maru=.*; path=\/; samesite=lax; httponly$/)]);
    const planted = browser.cookies(world.webApp).get('maru');
    await browser.open(first.headers.get('location') as string);
    expect(browser.cookies(world.webApp).get('maru')).not.toBe(planted);
    const thief = await fetch(`${world.webApp}/profile`, { headers: { cookie: `maru=${planted}` } });
    expect(thief.status).toBe(401);
  });

  test('is not set for somebody who only looks', async () => {
    await browser.open(`${world.webApp}/`);
    expect(browser.cookies(world.webApp).size).toBe(0);
  });
});

describe('a way back that does not belong to a sign-in from here', () => {
  /** Goes through the provider, but stops before the last step. */
  async function wayBack(): Promise<URL> {
    let { headers } = await browser.fetch(`${world.webApp}/sign-in`);
    for (;;) {
      const location = new URL(headers.get('location') as string, world.issuer);
      if (location.origin === world.webApp) return location;
      ({ headers } = await browser.fetch(location.href));
    }
  }

  test.each<[string, (url: URL) => void]>([
    ['without anything', (url) => (url.search = '')],
    ['with another state', (url) => url.searchParams.set('state', 'x')],
    ['with another code', (url) => url.searchParams.set('code', 'x')],
    ['with the iss of another provider', (url) => url.searchParams.set('iss', 'https://evil.example')],
    ['without iss', (url) => url.searchParams.delete('iss')],
    ['with two states', (url) => url.searchParams.append('state', 'x')],
  ])('%s is refused', async (_, spoil) => {
    const url = await wayBack();
    spoil(url);
    const page = await browser.open(url.href);
    expect([400, 401]).toContain(page.status);
    expect(page.text).toContain('href="/sign-in"');
    expect((await browser.open(`${world.webApp}/profile`)).status).toBe(401);
  });

  test('in another browser is refused', async () => {
    const page = await new Browser().open((await wayBack()).href);
    expect([page.status, page.text]).toEqual([400, expect.stringContaining('This sign-in is unknown here')]);
  });

  test('a second time is refused', async () => {
    const url = await wayBack();
    expect((await browser.open(url.href)).status).toBe(200);
    expect((await browser.open(url.href)).status).toBe(400);
  });
});

test('refusing at the provider leads to a page that says so', async () => {
  world.behaviour.refuse = true;
  const page = await browser.open(`${world.webApp}/sign-in`);
  expect([page.status, page.text]).toEqual([403, expect.stringContaining('No access was given')]);
});

test('two tabs may sign in at once', async () => {
  const [first, second] = [
    await browser.fetch(`${world.webApp}/sign-in`),
    await browser.fetch(`${world.webApp}/sign-in`),
  ];
  for (const tab of [first, second]) {
    expect((await browser.open(tab.headers.get('location') as string)).url).toBe(`${world.webApp}/profile`);
  }
});
