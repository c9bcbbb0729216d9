import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Browser } from 'playwright-core';
import {
  account,
  LINK,
  pendingConsent,
  pendingLogin,
  type Service,
  signedIn,
  startService,
  UID,
} from '../interactions/service.ts';
import { describeInBrowser, launchBrowser, openPage } from './chromium.ts';

const path = `/interaction/${UID}`;

describeInBrowser('the forms', () => {
  let browser: Browser;
  let service: Service;

  beforeAll(async () => {
    [browser, service] = await Promise.all([launchBrowser(), startService()]);
  });

  afterAll(async () => {
    await browser?.close();
    await service?.close();
  });

  beforeEach(() => {
    service.world.pending = pendingLogin();
    service.world.results.length = 0;
    service.world.begin.mockClear();
    service.world.withPassword.mockReset().mockResolvedValue(signedIn);
  });

  test('signing in by keyboard alone, from the first key to the last', async () => {
    const { page, context, complaints } = await openPage(browser);
    await page.goto(service.issuer + path);
    await page.keyboard.type('jiwoo');
    await page.keyboard.press('Tab');
    await page.keyboard.type('correct horse battery');
    await Promise.all([page.waitForURL('**/authorize/resumed'), page.keyboard.press('Enter')]);
    expect(service.world.withPassword.mock.calls[0]![0]).toMatchObject({
      login: 'jiwoo',
      password: 'correct horse battery',
    });
    expect(service.world.results).toEqual([
      { login: { accountId: account.id, amr: ['pwd'], accessGeneration: expect.any(Number) } },
    ]);
    expect(complaints.filter((text) => text.includes('Content Security Policy'))).toEqual([]);
    await context.close();
  });

  test('everything on the page is reached by Tab, in the order it is read', async () => {
    const { page, context } = await openPage(browser);
    await page.goto(service.issuer + path);
    const reached: string[] = [];
    for (let i = 0; i < 10; i++) {
      const focused = await page.evaluate(() => {
        const { id, textContent } = document.activeElement!;
        return id || textContent!.trim();
      });
      if (reached.includes(focused)) break;
      reached.push(focused);
      await page.keyboard.press('Tab');
    }
    expect(reached.slice(0, 8)).toEqual([
      'email',
      'password',
      'Show',
      'Sign in',
      'Continue with Google',
      'Continue with Discord',
      'Back to Maru Notes',
      'English',
    ]);
    await context.close();
  });

  test('signing in without JavaScript', async () => {
    const { page, context } = await openPage(browser, { javaScriptEnabled: false });
    await page.goto(service.issuer + path);
    await page.fill('[name=email]', 'jiwoo');
    await page.fill('[name=password]', 'correct horse battery');
    await Promise.all([page.waitForURL('**/authorize/resumed'), page.click('[type=submit] >> text="Sign in"')]);
    expect(service.world.results).toHaveLength(1);
    await context.close();
  });

  test('a refusal without JavaScript puts the focus where to go on', async () => {
    service.world.withPassword.mockResolvedValue({ kind: 'refused' });
    const { page, context } = await openPage(browser, { javaScriptEnabled: false });
    await page.goto(service.issuer + path);
    await page.fill('[name=email]', 'jiwoo');
    await page.fill('[name=password]', 'wrong');
    await Promise.all([page.waitForURL('**/login'), page.keyboard.press('Enter')]);
    expect(await page.inputValue('[name=email]')).toBe('jiwoo');
    expect(await page.inputValue('[name=password]')).toBe('');
    expect(await page.locator('[name=password]:focus').count()).toBe(1);
    expect(await page.locator('[role=alert]').innerText()).toContain('isn’t right');
    await context.close();
  });

  test.each([true, false])('consent, with JavaScript: %s', async (javaScriptEnabled) => {
    service.world.pending = pendingConsent();
    const { page, context } = await openPage(browser, { javaScriptEnabled });
    for (const button of ['Allow', 'Don’t allow']) {
      await page.goto(service.issuer + path);
      await Promise.all([page.waitForURL('**/authorize/resumed'), page.click(`button >> text="${button}"`)]);
    }
    expect(service.world.results).toMatchObject([{ consent: 'granted' }, { error: 'access_denied' }]);
    await context.close();
  });

  describe.each([true, false])('leaving for a provider, with JavaScript: %s', (javaScriptEnabled) => {
    beforeEach(() => {
      service.world.begin
        .mockReset()
        .mockResolvedValue({ kind: 'redirect', url: `${service.issuer}/authorize/resumed` });
    });

    test.each(['Google', 'Discord'])('%s, by keyboard', async (provider) => {
      const { page, context, complaints } = await openPage(browser, { javaScriptEnabled });
      await page.goto(service.issuer + path);
      await page.focus(`button:has-text("Continue with ${provider}")`);
      await Promise.all([page.waitForURL('**/authorize/resumed'), page.keyboard.press('Enter')]);
      expect(service.world.begin.mock.calls).toMatchObject([[{ provider: provider.toLowerCase() }]]);
      expect(complaints.filter((text) => text.includes('Content Security Policy'))).toEqual([]);
      await context.close();
    });

    test('proving an account here, and the way back', async () => {
      const { page, context } = await openPage(browser, { javaScriptEnabled });
      await page.goto(`${service.issuer}${path}/link/${LINK}`);
      expect(await page.locator('[name=password]:focus').count()).toBe(1);
      await page.keyboard.type('correct horse battery');
      await Promise.all([page.waitForURL('**/authorize/resumed'), page.keyboard.press('Enter')]);
      expect(service.world.results).toMatchObject([{ login: { amr: ['fed', 'pwd'], provider: 'google' } }]);
      await page.goto(`${service.issuer}${path}/link/${LINK}`);
      await page.click('text="Back to sign-in"');
      expect(new URL(page.url()).pathname).toBe(path);
      await context.close();
    });
  });

  test('a form is sent once, however often it is pressed', async () => {
    const { page, context } = await openPage(browser);
    await page.goto(service.issuer + path);
    await page.fill('[name=email]', 'jiwoo');
    await page.fill('[name=password]', 'correct horse battery');
    await Promise.all([page.waitForURL('**/authorize/resumed'), page.dblclick('[type=submit] >> text="Sign in"')]);
    expect(service.world.withPassword).toHaveBeenCalledTimes(1);
    await context.close();
  });

  test('the password can be looked at, and still goes out as a password', async () => {
    const { page, context } = await openPage(browser);
    await page.goto(service.issuer + path);
    await page.fill('[name=password]', 'correct horse battery');
    await page.click('text="Show"');
    expect(await page.getAttribute('[name=password]', 'type')).toBe('text');
    expect(await page.locator('.reveal').getAttribute('aria-label')).toBe('Password: Hide');
    await page.click('text="Hide"');
    expect(await page.getAttribute('[name=password]', 'type')).toBe('password');
    await context.close();
  });

  test('the language changes on the page and stays', async () => {
    const { page, context } = await openPage(browser);
    await page.goto(service.issuer + path);
    await page.click('text="한국어"');
    expect(await page.innerText('h1')).toBe('로그인');
    expect(new URL(page.url()).pathname).toBe(path);
    await page.goto(`${service.issuer}/`);
    expect(await page.getAttribute('html', 'lang')).toBe('ko');
    await context.close();
  });

  test('the issuer can be copied from the start page', async () => {
    const { page, context } = await openPage(browser);
    await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: service.issuer });
    await page.goto(`${service.issuer}/`);
    await page.click('[data-copy=issuer]');
    await page.waitForSelector('text="Copied"');
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(service.issuer);
    await context.close();
  });

  test('S-168 script that gets into a page does not run', async () => {
    const { page, context } = await openPage(browser);
    await page.goto(service.issuer + path);
    const ran = await page.evaluate(async () => {
      const script = document.createElement('script');
      script.textContent = 'window.ran = true';
      document.body.append(script);
      const image = document.createElement('img');
      image.setAttribute('onerror', 'window.ran = true');
      image.src = '/assets/missing.png';
      document.body.append(image);
      await new Promise((resolve) => image.addEventListener('error', resolve));
      return (window as { ran?: boolean }).ran === true;
    });
    expect(ran).toBe(false);
    await context.close();
  });

  test('S-024 no other page can frame it', async () => {
    // A page whose own policy forbids nothing, and a frame in it that does load.
    const outsider = createServer((request, response) => {
      response.setHeader('Content-Type', 'text/html');
      const frames = `<iframe name="control" src="/control"></iframe><iframe name="ours" src="${service.issuer}${path}"></iframe>`;
      response.end(request.url === '/control' ? '<form id="control"></form>' : frames);
    });
    await new Promise<void>((resolve) => outsider.listen(0, '127.0.0.1', resolve));
    const { page, context } = await openPage(browser);
    await page.goto(`http://127.0.0.1:${(outsider.address() as AddressInfo).port}/`, { waitUntil: 'load' });
    const forms = async (name: string) => page.frame({ name })!.locator('form').count();
    expect([await forms('control'), await forms('ours')]).toEqual([1, 0]);
    expect(page.frame({ name: 'ours' })!.url()).not.toContain(path);
    // By itself it is there.
    await page.goto(service.issuer + path);
    expect(await page.locator('form').count()).toBeGreaterThan(0);
    await context.close();
    outsider.closeAllConnections();
    await new Promise((resolve) => outsider.close(resolve));
  });
});
