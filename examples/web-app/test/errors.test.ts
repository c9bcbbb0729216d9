import { afterEach, describe, expect, test } from '@jest/globals';
import { Browser } from './support/browser.ts';
import { startWorld, type World } from './support/world.ts';

let world: World;
afterEach(() => world.close());

test('while the provider is down, a page says so, and the sign-in works as soon as it is back', async () => {
  world = await startWorld();
  await world.stopProvider();
  const page = await new Browser().open(`${world.webApp}/sign-in`);
  expect([page.status, page.text]).toEqual([502, expect.stringContaining('The provider cannot be reached')]);
  expect((await new Browser().open(`${world.webApp}/`)).status).toBe(200);
});

test('a wrong client secret is named as what it is, to whoever runs the application', async () => {
  world = await startWorld({ clientSecret: 'wrong' });
  const page = await new Browser().open(`${world.webApp}/sign-in`);
  expect([page.status, page.text]).toEqual([502, expect.stringContaining('CLIENT_SECRET')]);
});

test('signing out works while the provider is down', async () => {
  world = await startWorld();
  const browser = new Browser();
  const profile = await browser.open(`${world.webApp}/sign-in`);
  await world.stopProvider();
  await browser.submit(profile, '/sign-out').catch(() => {}); // the provider's page cannot be opened
  expect((await browser.open(`${world.webApp}/profile`)).status).toBe(401);
});

test('a refresh token that was revoked leads back to the sign-in', async () => {
  world = await startWorld();
  const browser = new Browser();
  const profile = await browser.open(`${world.webApp}/sign-in`);
  for (const token of world.refreshTokens) await token.destroy();
  const page = await browser.submit(profile, '/refresh');
  expect([page.status, page.text]).toEqual([401, expect.stringContaining('This sign-in is over')]);
});

describe('forms', () => {
  test.each<[string, RequestInit, number]>([
    ['without a CSRF token', { body: new URLSearchParams({}) }, 403],
    ['with a wrong CSRF token', { body: new URLSearchParams({ csrf: 'x' }) }, 403],
    [
      'with two CSRF tokens',
      {
        body: new URLSearchParams([
          ['csrf', 'x'],
          ['csrf', 'y'],
        ]),
      },
      403,
    ],
    ['from another site', { body: new URLSearchParams({}), headers: { 'sec-fetch-site': 'cross-site' } }, 403],
    ['as JSON', { body: '{}', headers: { 'content-type': 'application/json' } }, 415],
    ['without a body', {}, 415],
    ['of 20 KiB', { body: new URLSearchParams({ csrf: 'x'.repeat(20_000) }) }, 413],
  ])('%s are refused', async (_, init, status) => {
    world = await startWorld();
    const browser = new Browser();
    await browser.open(`${world.webApp}/sign-in`);
    for (const path of ['/refresh', '/sign-out', '/sessions', '/connect', '/sessions/x']) {
      const page = await browser.open(world.webApp + path, { method: 'POST', ...init });
      expect([path, page.status]).toEqual([path, status]);
    }
    expect((await browser.open(`${world.webApp}/profile`)).status).toBe(200);
  });
});

test.each<[string, string, number]>([
  ['GET', '/nowhere', 404],
  ['GET', '/profile', 401],
  ['GET', '/sessions', 401],
  ['GET', '/sessions/x/events', 401],
  ['GET', '/callback', 400],
  ['GET', '/sign-out', 405],
  ['POST', '/sign-in', 405],
  ['DELETE', '/', 405],
  ['GET', '/%E0%A4%A', 404],
  ['GET', '/sessions/%E0%A4%A', 401],
])('%s %s answers %i with a page', async (method, path, status) => {
  world = await startWorld();
  const page = await new Browser().open(world.webApp + path, { method, headers: { cookie: 'maru=forged; x=y' } });
  expect(page.status).toBe(status);
  expect(page.headers.get('content-type')).toMatch(/^text\/html/);
  expect(page.text).toMatch(/<h1>.+<\/h1>/);
  expect(world.failures).toEqual([]);
});

test('every page forbids framing, inline script and foreign content', async () => {
  world = await startWorld();
  for (const path of ['/', '/nowhere', '/styles.css']) {
    const { headers } = await new Browser().open(world.webApp + path);
    const policy = headers.get('content-security-policy');
    expect(policy).toMatch(/default-src 'none'.*frame-ancestors 'none'/);
    expect(policy).toContain(`form-action 'self' ${world.issuer}`);
    expect(policy).not.toContain('unsafe');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
  }
});
