import { beforeEach, describe, expect, test } from '@jest/globals';
import type { Browser } from '../support/flow-browser.ts';
import {
  begin,
  type FederatedService,
  leaveFor,
  PASSWORD,
  proveByPassword,
  redeem,
  signInWith,
  visitProvider,
} from '../support/flow-federation.ts';
import { introduceSomebody, type Stranger, tracesOf, useFederatedService } from '../support/flow-federation-people.ts';

let service: FederatedService;
useFederatedService((started) => {
  service = started;
});

let attacker: Stranger;
beforeEach(() => {
  attacker = introduceSomebody(service);
});

const BROWSER_COOKIE = 'daemun_browser';

/** Cookies with a path: what a neighbouring host could plant. The browser's own it can neither read nor write. */
const plantable = (cookies: { name: string; path: string }[]) => cookies.filter(({ path }) => path !== '/');

describe('S-095 S-151 a sign-in of an attacker, whose cookies and answer are put into the browser of another person', () => {
  async function attack(parameters: Record<string, string> = {}) {
    const begun = await begin(service, parameters);
    const there = begun.visit.response ? await leaveFor('google', begun) : begun.visit.url;
    const back = await service.upstream.google.decide(there.href, { as: attacker.subject });
    return { ...begun, back };
  }

  test.each([
    ['who never was here', async () => service.newBrowser()],
    ['who has a page of ours open', async () => (await begin(service)).browser],
    [
      'who is signed in',
      async () => (await signInWith(service, 'google', { as: introduceSomebody(service).subject })).browser,
    ],
  ])('%s: refused, and nothing is changed', async (_, open) => {
    const attacked = await attack();
    const victim = await open();
    const own = victim.cookies.find(({ name }) => name === BROWSER_COOKIE)?.value;
    const planted = plantable(attacked.browser.cookies);
    expect(planted.map(({ name }) => name)).toContain('daemun_interaction');
    victim.cookies.push(...(planted as typeof victim.cookies));
    const before = await tracesOf(service);
    const page = await victim.open(attacked.back.href);
    expect([page.response?.status, page.url.pathname]).toEqual([400, expect.stringMatching(/\/google\/foreign$/)]);
    expect(await tracesOf(service)).toEqual(before);
    if (own) expect(victim.cookies.find(({ name }) => name === BROWSER_COOKIE)?.value).toBe(own);
    // The one who left can still come back.
    const end = await attacked.browser.open(attacked.back.href);
    expect((await redeem(service, attacked, end)).claims()).toMatchObject({ amr: ['fed'] });
  });

  test('the same of a sign-in that the application sent to the provider, without a page of ours', async () => {
    const attacked = await attack({ idp_hint: 'google' });
    const victim = service.newBrowser();
    victim.cookies.push(...(plantable(attacked.browser.cookies) as typeof victim.cookies));
    const page = await victim.open(attacked.back.href);
    expect(page.url.pathname).toMatch(/\/google\/foreign$/);
    const end = await attacked.browser.open(attacked.back.href);
    expect((await redeem(service, attacked, end)).claims()).toMatchObject({ amr: ['fed'] });
  });
});

describe('S-095 S-103 S-104 a link that waits for an attacker, put with all its cookies into the browser of the victim', () => {
  const csrfOf = (text: string) => /name="csrf" value="([^"]+)"/.exec(text)![1]!;

  /** At Discord the attacker has the address of the victim. */
  async function attack(email: string) {
    const begun = await begin(service);
    const there = introduceSomebody(service, { email });
    const page = await visitProvider(service, 'discord', begun, { as: there.subject });
    expect(page.url.pathname).toContain('/link/');
    return { ...begun, page };
  }

  /** A browser of the victim, who has a page of ours open and so a form token of their own. */
  async function victimWith(attacked: { browser: Browser }) {
    const { browser, visit } = await begin(service);
    browser.cookies.push(...(plantable(attacked.browser.cookies) as typeof browser.cookies));
    return { browser, csrf: csrfOf(visit.text) };
  }

  const everything = async (accountId: string) => [
    await tracesOf(service),
    await service.services.federation.list(accountId),
    await service.services.accounts.find(accountId),
  ];

  test.each([
    ['has a password', {}],
    ['has to change the password first', { mustChangePassword: true }],
  ])('who %s: the page does not open, and a password typed there proves nothing', async (_, details) => {
    const { email } = introduceSomebody(service);
    const accountId = await service.createPerson({ email });
    const { prisma } = service.services.database;
    if ('mustChangePassword' in details) {
      await prisma.passwordCredential.update({ where: { userId: accountId }, data: { mustChange: true } });
    }
    const attacked = await attack(email);
    const before = await everything(accountId);
    const fresh = service.newBrowser();
    fresh.cookies.push(...(plantable(attacked.browser.cookies) as typeof fresh.cookies));
    const { browser, csrf } = await victimWith(attacked);
    for (const shown of [
      await fresh.open(attacked.page.url.pathname),
      await browser.open(attacked.page.url.pathname),
      await browser.submit(attacked.page.url.pathname, { csrf, password: PASSWORD }),
    ]) {
      expect([shown.response?.status, shown.text.includes('This sign-in isn’t from this browser')]).toEqual([
        400,
        true,
      ]);
      expect(shown.text).not.toMatch(/name="password"|set-password/);
    }
    expect(await everything(accountId)).toEqual(before);
    // It is still good where it was asked for, for who knows the password.
    expect((await attacked.browser.open(attacked.page.url.pathname)).text).toContain('name="password"');
  });

  test('who has another provider instead: neither does the page open, nor does its button lead there', async () => {
    const victim = introduceSomebody(service);
    const accountId = (await signInWith(service, 'google', { as: victim.subject })).tokens.claims()!.sub;
    const attacked = await attack(victim.email);
    const before = await everything(accountId);
    const { browser, csrf } = await victimWith(attacked);
    for (const shown of [
      await browser.open(attacked.page.url.pathname),
      await browser.submit(`${attacked.page.url.pathname}/google`, { csrf }),
    ]) {
      expect([shown.response?.status, shown.text.includes('This sign-in isn’t from this browser')]).toEqual([
        400,
        true,
      ]);
    }
    // Nor does the way that the attacker went until the provider.
    const left = await attacked.browser.submit(`${attacked.page.url.pathname}/google`, {
      csrf: csrfOf(attacked.page.text),
    });
    const back = await service.upstream.google.decide(left.url.href, { as: victim.subject });
    expect((await browser.open(back.href)).url.pathname).toMatch(/\/google\/foreign$/);
    expect(await everything(accountId)).toEqual(before);
  });

  test('the owner, in the browser that asked, links as before', async () => {
    const { email } = introduceSomebody(service);
    await service.createPerson({ email });
    const own = await attack(email);
    expect((await redeem(service, own, await proveByPassword(own.browser, own.page))).claims()).toMatchObject({
      amr: ['fed', 'pwd'],
    });
  });
});

test('S-095 whether a sign-in was finished is told in its own browser only', async () => {
  const begun = await begin(service);
  const there = await leaveFor('google', begun);
  const back = await service.upstream.google.decide(there.href, { as: attacker.subject });
  await begun.browser.open(back.href);
  expect((await begun.browser.open(back.href)).url.pathname).toBe('/callback/google/spent');
  const stranger = (await begin(service)).browser;
  expect((await stranger.open(back.href)).url.pathname).toBe('/callback/google/other-browser');
});
