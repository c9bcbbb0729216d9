import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { PendingInteraction } from '../../src/provider/identity-provider.ts';
import {
  account,
  createBrowser,
  csrfIn,
  DISCORD,
  GOOGLE,
  pendingConsent,
  pendingLogin,
  type Service,
  startService,
  UID,
} from './service.ts';

let service: Service;
const page = `/interaction/${UID}`;
const google = `${page}/upstream/google`;

beforeAll(async () => {
  service = await startService();
});

afterAll(() => service.close());

beforeEach(() => {
  const { world } = service;
  world.pending = pendingLogin();
  world.configured = [GOOGLE, DISCORD];
  world.disabled = [];
  world.begin.mockClear();
});

const open = (path = page) => createBrowser(service.issuer).get(path);

/** Opens the page and presses the button of a provider. */
async function press(provider: string, { path = page, browser = createBrowser(service.issuer) } = {}) {
  const opened = await browser.get(path);
  const action = new RegExp(`action="([^"]+/upstream/${provider}[^"]*)"`).exec(opened.html)![1]!;
  return { opened, browser, answer: await browser.post(action, { csrf: csrfIn(opened) }) };
}

function buttonsIn(html: string): string[] {
  return [...html.matchAll(/<button class="button button-upstream"[\s\S]*?<span>([^<]+)<\/span>/g)].map(
    ([, text]) => text!,
  );
}

describe('the sign-in page', () => {
  test('offers the providers in the operator’s order, each by its own mark', async () => {
    service.world.configured = [DISCORD, GOOGLE];
    const { html } = await open();
    expect(buttonsIn(html)).toEqual(['Continue with Discord', 'Continue with Google']);
    for (const name of ['upstream-google.svg', 'upstream-discord.svg', 'upstream-discord-dark.svg'])
      expect(html).toContain(service.screens.assets.url(name));
    expect(html).toContain('name="password"');
  });

  test('S-100 leaves out one that is turned off', async () => {
    service.world.disabled = ['google'];
    expect(buttonsIn((await open()).html)).toEqual(['Continue with Discord']);
  });

  test('has nothing of all this when no provider is configured', async () => {
    service.world.configured = [];
    const { html } = await open();
    expect(html).not.toMatch(/upstream|class="or"/);
    expect(html.match(/<form/g)).toHaveLength(2);
  });

  test('shows one that brings no mark by its initial', async () => {
    service.world.configured = [{ provider: 'campus', displayName: 'Échange' }];
    expect((await open()).html).toMatch(/class="upstream-mark upstream-initial" aria-hidden="true">É</);
  });

  test.each<[Partial<PendingInteraction>, string]>([
    [{ reasons: ['essential_acrs'], accountId: account.id }, 'Confirm it’s you'],
    [{ reasons: ['login_prompt'] }, 'Sign in'],
  ])('offers them also when somebody has to sign in again: %j', async (changes, title) => {
    service.world.pending = { ...pendingLogin(), ...changes };
    const { html } = await open();
    expect(html).toContain(`<h1>${title}</h1>`);
    expect(buttonsIn(html)).toHaveLength(2);
  });

  test.each([
    [['urn:daemun:acr:one-factor'], 0],
    [['urn:daemun:acr:one-factor', 'urn:daemun:acr:federated'], 2],
  ])('to an application that insists on %j offers %d', async (essentialAcrs, count) => {
    service.world.pending = pendingLogin({ params: { essentialAcrs } });
    expect(buttonsIn((await open()).html)).toHaveLength(count);
  });
});

describe('a button', () => {
  test('S-011 S-104 sends the browser there by 303, from our own form only', async () => {
    const { answer, opened } = await press('google');
    expect([answer.status, answer.headers.get('Location')]).toEqual([
      303,
      'https://google.example/authorize?state=state-of-google',
    ]);
    expect(answer.headers.get('Cache-Control')).toBe('no-store');
    expect(answer.headers.get('Referrer-Policy')).toBe('no-referrer');
    // The browser holds the redirect after a form against the policy of the page that has the form.
    expect(opened.headers.get('Content-Security-Policy')).not.toContain('form-action');
    const browser = expect.stringMatching(/^[\w-]{43}$/);
    expect(service.world.begin.mock.calls).toEqual([
      [{ provider: 'google', interaction: UID, browser, request: { freshSignIn: false } }],
    ]);
    service.world.begin.mockClear();
    expect((await createBrowser(service.issuer).post(google, {})).status).toBe(403);
    expect(service.world.begin).not.toHaveBeenCalled();
  });

  const requests: [string, Parameters<typeof pendingLogin>[0], string, object][] = [
    [
      'the hint',
      { params: { loginHint: 'kim@maru.example' } },
      '',
      { loginHint: 'kim@maru.example', freshSignIn: false },
    ],
    ['the languages', { params: { uiLocales: ['ko', 'en'] } }, '', { uiLocales: ['ko', 'en'], freshSignIn: false }],
    ['the age', { params: { maxAge: 60 } }, '', { maxAge: 60, freshSignIn: false }],
    ['S-016 prompt=login', { params: { freshSignIn: true } }, '', { freshSignIn: true }],
    ['S-016 who is asked again', { accountId: account.id, reasons: ['max_age'] }, '', { freshSignIn: true }],
    [
      'that it shall be somebody else',
      { accountId: account.id, params: { loginHint: 'jiwoo@maru.example' } },
      '?account=other',
      { freshSignIn: true },
    ],
  ];

  test.each(requests)('passes on %s', async (_, changes, query, request) => {
    service.world.pending = pendingLogin(changes);
    await press('discord', { path: page + query });
    expect(service.world.begin.mock.calls[0]![0]).toMatchObject({ provider: 'discord', interaction: UID });
    expect(service.world.begin.mock.calls[0]![0].request).toEqual(request);
  });

  test('S-100 pressed after the provider was turned off leads to the page that says so', async () => {
    service.world.begin.mockResolvedValueOnce({ kind: 'disabled' });
    const { answer, browser } = await press('google');
    expect([answer.status, answer.headers.get('Location')]).toEqual([303, `${google}/disabled`]);
    const problem = await browser.get(`${google}/disabled`);
    expect([problem.status, problem.html.includes('Google is turned off here')]).toEqual([403, true]);
  });

  test('of a provider that is not there is a 404', async () => {
    const browser = createBrowser(service.issuer);
    const csrf = csrfIn(await browser.get(page));
    expect((await browser.post(`${page}/upstream/nobody`, { csrf })).status).toBe(404);
    expect(service.world.begin).not.toHaveBeenCalled();
  });

  test('S-143 pressed while something else is asked leads back to that', async () => {
    const browser = createBrowser(service.issuer);
    const csrf = csrfIn(await browser.get(page));
    service.world.pending = pendingConsent();
    const answer = await browser.post(google, { csrf });
    expect([answer.status, answer.headers.get('Location')]).toEqual([303, page]);
    expect(service.world.begin).not.toHaveBeenCalled();
  });
});

describe('an application that names a provider', () => {
  beforeEach(() => {
    service.world.pending = pendingLogin({ params: { idpHint: 'discord', loginHint: 'kim' } });
  });

  test('sends people there at once', async () => {
    const answer = await open();
    expect([answer.status, answer.headers.get('Location')]).toEqual([
      303,
      'https://discord.example/authorize?state=state-of-discord',
    ]);
    expect(service.world.begin.mock.calls[0]![0].request).toEqual({ loginHint: 'kim', freshSignIn: false });
  });

  test('sends them once: whoever comes back has the page with all that it offers', async () => {
    const browser = createBrowser(service.issuer);
    await browser.get(page);
    const again = await browser.get(page);
    expect([again.status, buttonsIn(again.html).length]).toEqual([200, 2]);
    expect(service.world.begin).toHaveBeenCalledTimes(1);
    expect([...browser.jar.keys()]).toEqual(['daemun_browser', 'daemun_upstream']);
  });

  const stays: [string, () => void, string, string][] = [
    ['that is turned off', () => service.world.disabled.push('discord'), page, 'GET'],
    ['that is not there', () => service.world.configured.pop(), page, 'GET'],
    ['while the person wants to be somebody else', () => {}, `${page}?account=other`, 'GET'],
    ['to whoever only looks', () => {}, page, 'HEAD'],
    [
      'but insists on more than its word',
      () => {
        service.world.pending = pendingLogin({ params: { idpHint: 'discord', essentialAcrs: ['x'] } });
      },
      page,
      'GET',
    ],
  ];

  test.each(stays)('%s sends nobody anywhere', async (_, arrange, path, method) => {
    arrange();
    const answer = await createBrowser(service.issuer).send(path, { method });
    expect([answer.status, answer.cookies.some((line) => line.includes('upstream'))]).toEqual([200, false]);
    expect(service.world.begin).not.toHaveBeenCalled();
  });

  test('shows the page when the provider is turned off at that moment', async () => {
    service.world.begin.mockResolvedValueOnce({ kind: 'disabled' });
    expect((await open()).status).toBe(200);
  });

  test('S-154 does nothing in a browser that the sign-in is not of', async () => {
    expect((await open(`/interaction/${'x'.repeat(43)}`)).status).toBe(400);
    expect(service.world.begin).not.toHaveBeenCalled();
  });
});

test('S-151 the cookie of a visit is for its interaction, and marked for https there', async () => {
  const { answer } = await press('google');
  const cookie = answer.cookies.find((line) => line.startsWith('daemun_upstream='))!;
  expect(cookie).toMatch(new RegExp(`path=${page};.*samesite=lax; httponly`, 'i'));
  const secure = await startService({ issuer: 'https://id.example' });
  try {
    const { port } = secure.server.address() as AddressInfo;
    const browser = createBrowser(`http://127.0.0.1:${port}`);
    const sent = await browser.post(google, { csrf: csrfIn(await browser.get(page)) });
    expect(sent.cookies.find((line) => line.startsWith('__Secure-daemun_upstream='))).toMatch(/; secure/i);
  } finally {
    await secure.close();
  }
});
