import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { describeInBrowser, launchBrowser, openPage } from './chromium.ts';
import { ADMINISTRATOR, setUp, signIn, startRelyingParty, startWholeService } from './running-service.ts';

const WORDS = {
  en: {
    signIn: 'Sign in',
    consent: 'Allow Maru Notes access?',
    allow: 'Allow',
    deny: 'Don’t allow',
    signOut: 'Sign out',
    spent: 'This link no longer works',
  },
  ko: {
    signIn: '로그인',
    consent: 'Maru Notes에 계정 접근을 허용할까요?',
    allow: '허용',
    deny: '허용 안 함',
    signOut: '로그아웃',
    spent: '사용할 수 없는 링크예요',
  },
};

describeInBrowser('from the setup link to signing out', () => {
  let browser: Browser;
  let relyingParty: Awaited<ReturnType<typeof startRelyingParty>>;

  beforeAll(async () => {
    [browser, relyingParty] = await Promise.all([launchBrowser(), startRelyingParty()]);
  });

  afterAll(async () => {
    await browser?.close();
    await relyingParty?.close();
  });

  describe.each(['en', 'ko'] as const)('%s', (locale) => {
    const words = WORDS[locale];
    let service: Awaited<ReturnType<typeof startWholeService>>;

    beforeAll(async () => {
      service = await startWholeService(relyingParty);
    }, 60_000);

    afterAll(() => service?.close());

    test('an administrator, a sign-in, a consent, tokens, and the end of the session', async () => {
      const { page, context, complaints } = await openPage(browser, { locale });
      await setUp(page, service.setupLink);
      expect(await page.getAttribute('html', 'lang')).toBe(locale);

      // S-126: the link is spent.
      await page.goto(service.setupLink);
      expect(await page.innerText('h1')).toBe(words.spent);
      complaints.length = 0;

      await page.goto(`${relyingParty.origin}/?authority=${service.issuer}&client_id=${service.clientId}`);
      await page.click('#sign-in');
      await page.waitForURL('**/interaction/*');
      expect(await page.innerText('h1')).toBe(words.signIn);
      await signIn(page);

      await page.waitForSelector('button[name=decision]');
      expect(await page.innerText('h1')).toBe(words.consent);
      expect(await page.innerText('main')).toContain(new URL(relyingParty.origin).host);
      await page.click(`button:text-is("${words.allow}")`);

      await page.waitForURL('**/callback*');
      await page.waitForFunction(() => document.getElementById('user')!.textContent !== '');
      const { user, renewed } = JSON.parse(await page.innerText('#user'));
      expect(user.profile).toMatchObject({ preferred_username: ADMINISTRATOR.userName });
      expect(user.profile.iss).toBe(service.issuer);
      expect(user.access_token).toBeTruthy();
      expect(renewed.access_token).not.toBe(user.access_token);
      expect(renewed.refresh_token).not.toBe(user.refresh_token);

      await page.click('#sign-out');
      await page.waitForURL('**/logout*');
      await page.click(`button:text-is("${words.signOut}")`);
      await page.waitForURL(`${relyingParty.origin}/`);

      // Nothing of the session is left: the next sign-in asks again.
      await page.click('#sign-in');
      await page.waitForSelector('[name=password]');
      expect(complaints.filter((text) => /Content Security Policy|Refused to/.test(text))).toEqual([]);
      await context.close();
    }, 60_000);

    test('refusing tells the application, and nothing more', async () => {
      const { page, context } = await openPage(browser, { locale });
      await page.goto(`${relyingParty.origin}/?authority=${service.issuer}&client_id=${service.clientId}`);
      await page.click('#sign-in');
      await page.waitForSelector('[name=password]');
      await signIn(page);
      await page.waitForSelector('button[name=decision]');
      await page.click(`button:text-is("${words.deny}")`);
      await page.waitForURL('**/callback*');
      await page.waitForFunction(() => document.getElementById('user')!.textContent !== '');
      expect(JSON.parse(await page.innerText('#user'))).toEqual({ error: 'access_denied' });
      await context.close();
    }, 60_000);
  });
});
