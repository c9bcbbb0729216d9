import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { type FakeUpstream, startFakeUpstream } from '../support/fake-upstream.ts';
import { describeInBrowser, launchBrowser, openPage } from './chromium.ts';
import { ADMINISTRATOR, startRelyingParty, startWholeService } from './running-service.ts';

const WORDS = {
  en: {
    with: (provider: string) => `Continue with ${provider}`,
    allow: 'Allow',
    cancelled: 'You cancelled at Discord',
    link: 'Link Discord to your account',
    prove: 'Link and sign in',
    proveWith: (provider: string) => `Continue with ${provider}`,
    back: 'Back to sign-in',
    signIn: 'Sign in',
    signOut: 'Sign out',
    unverified: 'Verify your email at Google',
  },
  ko: {
    with: (provider: string) => `${provider} 계정으로 계속하기`,
    allow: '허용',
    cancelled: 'Discord 로그인을 취소했어요',
    link: 'Discord 계정 연결',
    prove: '연결하고 로그인',
    proveWith: (provider: string) => `${provider} 계정으로 계속하기`,
    back: '로그인 화면으로 돌아가기',
    signIn: '로그인',
    signOut: '로그아웃',
    unverified: 'Google에서 이메일을 인증해 주세요',
  },
};

/** Somebody new, somebody who has an account here already, and somebody whose address was never checked. */
const PEOPLE = [
  { subject: '108400000000000001', name: 'Han Sori', email: 'sori@maru.example', verified: true },
  { subject: '108400000000000002', name: 'Kim Jiwoo', email: 'jiwoo@maru.example', verified: true },
  { subject: '108400000000000003', name: 'Nam Bora', email: 'bora@maru.example', verified: false },
  { subject: '108400000000000004', name: 'Seo Yuna', email: 'yuna@maru.example', verified: true },
];

describeInBrowser('signing in with Google and Discord', () => {
  let browser: Browser;
  let upstream: FakeUpstream;
  let relyingParty: Awaited<ReturnType<typeof startRelyingParty>>;

  beforeAll(async () => {
    [browser, upstream, relyingParty] = await Promise.all([launchBrowser(), startFakeUpstream(), startRelyingParty()]);
    for (const { people } of [upstream.google, upstream.discord]) people.push(...PEOPLE);
  });

  afterAll(async () => {
    await browser?.close();
    await upstream?.close();
    await relyingParty?.close();
  });

  describe.each(['en', 'ko'] as const)('%s', (locale) => {
    const words = WORDS[locale];
    let service: Awaited<ReturnType<typeof startWholeService>>;

    beforeAll(async () => {
      service = await startWholeService(relyingParty, {
        env: {
          GOOGLE_CLIENT_ID: upstream.google.clientId,
          GOOGLE_CLIENT_SECRET: upstream.google.clientSecret,
          DISCORD_CLIENT_ID: upstream.discord.clientId,
          DISCORD_CLIENT_SECRET: upstream.discord.clientSecret,
          DAEMUN_SIGN_UP: 'open',
          DANGEROUSLY_UPSTREAMS_AT: upstream.origin,
        },
        people: [{ email: 'jiwoo@maru.example', name: 'Kim Jiwoo', password: ADMINISTRATOR.password }],
      });
      upstream.register(service.issuer);
    }, 60_000);

    afterAll(() => service?.close());

    /** From the application to the provider. */
    async function leaveFor(page: Page, provider: string): Promise<void> {
      await page.goto(`${relyingParty.origin}/?authority=${service.issuer}&client_id=${service.clientId}`);
      await page.click('#sign-in');
      await page.click(`button:has-text("${words.with(provider)}")`);
      await page.waitForSelector('button[name=as]');
    }

    const chooses = (page: Page, name: string) => page.click(`button[name=as]:has-text("${name}")`);

    /** The consent, and what the application knows afterwards. */
    async function allow(page: Page) {
      await page.click(`button:text-is("${words.allow}")`);
      await page.waitForURL('**/callback*');
      await page.waitForFunction(() => document.getElementById('user')!.textContent !== '');
      return JSON.parse(await page.innerText('#user')).user.profile;
    }

    test('somebody new has an account, and the same one the next time', async () => {
      const { page, context, complaints } = await openPage(browser, { locale });
      const seen: string[] = [];
      page.on('domcontentloaded', (loaded) => seen.push(loaded.url()));
      await leaveFor(page, 'Google');
      await chooses(page, 'Han Sori');
      const profile = await allow(page);
      expect(profile).toMatchObject({ name: 'Han Sori', email: 'sori@maru.example', email_verified: true });

      await page.click('#sign-out');
      await page.click(`button:text-is("${words.signOut}")`);
      await page.waitForURL(`${relyingParty.origin}/`);
      await leaveFor(page, 'Google');
      await chooses(page, 'Han Sori');
      expect((await allow(page)).sub).toBe(profile.sub);

      // S-023: no page of ours stood at an address that an upstream sent the browser to.
      expect(seen.some((url) => url.startsWith(service.issuer))).toBe(true);
      expect(seen.filter((url) => url.startsWith(service.issuer) && /[?&](?:code|state)=/.test(url))).toEqual([]);
      expect(complaints.filter((text) => /Content Security Policy|Refused to/.test(text))).toEqual([]);
      await context.close();
    }, 60_000);

    test('who cancels there comes back to a page with all other ways in', async () => {
      const { page, context } = await openPage(browser, { locale });
      await leaveFor(page, 'Discord');
      await page.click('button[name=deny]');
      await page.waitForSelector('.symbols');
      expect(await page.innerText('h1')).toBe(words.cancelled);
      // S-106: what the provider said about it is nowhere.
      expect(await page.content()).not.toContain('denied');
      await page.click(`text="${words.back}"`);
      expect(await page.innerText('h1')).toBe(words.signIn);
      expect(await page.locator('.button-upstream').count()).toBe(2);
      await context.close();
    }, 60_000);

    test('S-094 whose address has an account here proves it once, and never again', async () => {
      const { page, context, complaints } = await openPage(browser, { locale });
      await leaveFor(page, 'Discord');
      await chooses(page, 'Kim Jiwoo');
      await page.waitForSelector('[name=password]');
      expect(await page.innerText('h1')).toBe(words.link);
      expect(await page.inputValue('[name=email]')).toBe('jiwoo@maru.example');
      await page.fill('[name=password]', 'not the password of it');
      await page.click(`button:text-is("${words.prove}")`);
      await page.waitForSelector('[role=alert]');
      await page.fill('[name=password]', ADMINISTRATOR.password);
      await page.click(`button:text-is("${words.prove}")`);
      const profile = await allow(page);

      await context.clearCookies();
      await leaveFor(page, 'Discord');
      await chooses(page, 'Kim Jiwoo');
      expect((await allow(page)).sub).toBe(profile.sub);
      expect(complaints.filter((text) => /Content Security Policy|Refused to/.test(text))).toEqual([]);
      await context.close();
    }, 60_000);

    test('S-103 who has no password here proves the account with what it is connected to, once', async () => {
      const { page, context, complaints } = await openPage(browser, { locale });
      await leaveFor(page, 'Google');
      await chooses(page, 'Seo Yuna');
      const profile = await allow(page);

      await context.clearCookies();
      await leaveFor(page, 'Discord');
      await chooses(page, 'Seo Yuna');
      await page.waitForSelector('.symbols');
      expect(await page.innerText('h1')).toBe(words.link);
      expect(await page.locator('[name=password]').count()).toBe(0);
      await page.click(`button:has-text("${words.proveWith('Google')}")`);
      await page.waitForSelector('button[name=as]');
      await chooses(page, 'Seo Yuna');
      expect((await allow(page)).sub).toBe(profile.sub);

      await context.clearCookies();
      await leaveFor(page, 'Discord');
      await chooses(page, 'Seo Yuna');
      expect((await allow(page)).sub).toBe(profile.sub);
      expect(complaints.filter((text) => /Content Security Policy|Refused to/.test(text))).toEqual([]);
      await context.close();
    }, 60_000);

    test('S-111 an address that was never checked there opens nothing, and the person is told what to do', async () => {
      const { page, context } = await openPage(browser, { locale });
      await leaveFor(page, 'Google');
      await chooses(page, 'Nam Bora');
      await page.waitForSelector('.symbols');
      expect(await page.innerText('h1')).toBe(words.unverified);
      await context.close();
    }, 60_000);

    test('S-154 an answer opened in another browser changes nothing, and the right one can still use it', async () => {
      const { page, context } = await openPage(browser, { locale });
      const other = await openPage(browser, { locale });
      await leaveFor(page, 'Google');
      const answer = await upstream.google.decide(page.url(), { as: PEOPLE[0]!.subject });
      await other.page.goto(answer.href);
      expect(new URL(other.page.url()).pathname).toBe('/callback/google/other-browser');
      await page.goto(answer.href);
      expect(await page.locator('button[name=decision]').count()).toBe(2);
      await Promise.all([context.close(), other.context.close()]);
    }, 60_000);
  });
});
