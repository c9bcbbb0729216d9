import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { describeInBrowser, launchBrowser, openPage, overflowOf } from './chromium.ts';
import { setUp, signIn, startWholeService } from './running-service.ts';

describeInBrowser('the playground', () => {
  let browser: Browser;
  let service: Awaited<ReturnType<typeof startWholeService>>;

  beforeAll(async () => {
    [browser, service] = await Promise.all([
      launchBrowser(),
      startWholeService({ redirectUri: 'http://127.0.0.1:4000/callback' }),
    ]);
  }, 60_000);

  afterAll(async () => {
    await browser?.close();
    await service?.close();
  });

  test('runs a sign-in and shows every message, decoded and checked', async () => {
    const { page, context, complaints } = await openPage(browser, { viewport: { width: 390, height: 844 } });
    await setUp(page, service.setupLink);
    await page.click('a[href="/playground"]');
    await page.check('input[value=offline_access]');
    await page.selectOption('#prompt', 'consent');
    const request = await page.innerText('[data-step=request] .exchanges');
    for (const part of [
      'code_challenge_method',
      'S256',
      'playground',
      'openid profile email offline_access',
      'consent',
    ]) {
      expect(request).toContain(part);
    }
    await page.click('[data-go]');
    await signIn(page);
    await page.click('button[value=allow]');

    await page.waitForSelector('[data-step=next]:not([hidden])');
    expect(new URL(page.url()).search).toBe('');
    expect(await page.locator('[data-step=response] .check').allInnerTexts()).toEqual([
      'State matches',
      'Issuer matches',
    ]);
    const checks = await page.locator('[data-step=token] .check').allInnerTexts();
    expect(checks).toEqual(['Signature is valid', 'Issuer matches', 'Nonce matches']);
    const tokens = await page.innerText('[data-step=token]');
    for (const part of ['ID token', 'Access token', 'Refresh token', '"alg": "RS256"', '"amr": [']) {
      expect(tokens).toContain(part);
    }
    expect(await page.locator('[data-failure]').isVisible()).toBe(false);
    expect(await overflowOf(page)).toBe(0);

    await page.click('[data-userinfo]');
    await page.waitForSelector('[data-step=next] .exchange:nth-child(1)');
    expect(await page.innerText('[data-step=next] .exchanges')).toContain('"preferred_username": "jiwoo"');
    await page.click('[data-refresh]');
    await page.waitForSelector('[data-step=next] .exchange:nth-child(2)');
    expect(await page.innerText('[data-step=next] .exchange:nth-child(2)')).toContain('Refresh token');
    await page.click('[data-sign-out]');
    await page.click('button[name=logout]');
    await page.waitForSelector('[data-signed-out]:not([hidden])');
    expect(new URL(page.url()).pathname).toBe('/playground');
    expect(complaints).toEqual([]);
    await context.close();
  }, 60_000);

  test('an answer that nobody here asked for is refused, and its code leaves the address', async () => {
    const { page, context } = await openPage(browser);
    await page.goto(
      `${service.issuer}/playground/callback?code=stolen&state=x&iss=${encodeURIComponent(service.issuer)}`,
    );
    await page.waitForSelector('[data-failure]:not([hidden])');
    expect(await page.innerText('[data-failure]')).toContain('doesn’t belong');
    expect(await page.locator('[data-step=token]').isVisible()).toBe(false);
    expect(page.url()).toBe(`${service.issuer}/playground/callback`);
    await context.close();
  });

  test('markup in an answer stays text', async () => {
    const { page, context, complaints } = await openPage(browser);
    const error = '<img src=x onerror=alert(1)>';
    await page.goto(`${service.issuer}/playground/callback?error=${encodeURIComponent(error)}&state=x`);
    await page.waitForSelector('[data-failure]:not([hidden])');
    expect(await page.innerText('[data-step=response]')).toContain(error);
    expect(await page.locator('[data-step=response] img').count()).toBe(0);
    expect(complaints).toEqual([]);
    await context.close();
  });
});
