import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { fixtures, LOCALES } from '../interactions/fixtures.ts';
import { describeInBrowser, launchBrowser, openPage, overflowOf } from './chromium.ts';
import { serveFixtures } from './fixture-server.ts';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const PHONE = { width: 390, height: 844 };
const DESKTOP = { width: 1280, height: 900 };

/** Each device and each scheme in each language somewhere. */
const LOOKS = [
  { device: 'phone', viewport: PHONE, colorScheme: 'light', locale: 'ko' },
  { device: 'phone', viewport: PHONE, colorScheme: 'dark', locale: 'en' },
  { device: 'desktop', viewport: DESKTOP, colorScheme: 'light', locale: 'en' },
  { device: 'desktop', viewport: DESKTOP, colorScheme: 'dark', locale: 'ko' },
] as const;

/** What WCAG 2.2 AA asks and a program can see. */
async function violationsOn(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: typeof import('axe-core') };
    const { violations } = await axe.run(document, { rules: { 'target-size': { enabled: true } } });
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' | ')}`);
  });
}

/** Buttons, fields and links that stand alone; links inside sentences may be as small as the sentence. */
function smallTargetsOn(page: Page): Promise<string[]> {
  return page.evaluate(() =>
    [
      ...document.querySelectorAll(
        'button, a.button, input:not([type=hidden], [type=checkbox], [type=radio], [readonly]), .tick, .languages a, .legal a, summary',
      ),
    ]
      .map((element) => ({ element, box: element.getBoundingClientRect() }))
      .filter(({ box }) => box.width > 0 && (box.height < 44 || box.width < 44))
      .map(
        ({ element, box }) => `${Math.round(box.width)}×${Math.round(box.height)} ${element.outerHTML.slice(0, 80)}`,
      ),
  );
}

describeInBrowser('the screens', () => {
  let browser: Browser;
  let server: Awaited<ReturnType<typeof serveFixtures>>;

  beforeAll(async () => {
    [browser, server] = await Promise.all([launchBrowser(), serveFixtures()]);
  });

  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  describe.each(LOOKS)('on a $device, $colorScheme, $locale', ({ viewport, colorScheme, locale }) => {
    let look: Awaited<ReturnType<typeof openPage>>;

    beforeAll(async () => {
      look = await openPage(browser, { viewport, colorScheme });
    });

    afterAll(() => look?.context.close());

    test.each(fixtures)(
      '$screen, $sample: no barrier, no small target, nothing refused by the policy',
      async ({ screen, sample }) => {
        look.complaints.length = 0;
        await look.page.goto(`${server.origin}/screen/${screen}/${sample}/${locale}`, { waitUntil: 'load' });
        expect(await violationsOn(look.page)).toEqual([]);
        expect(await smallTargetsOn(look.page)).toEqual([]);
        expect(await overflowOf(look.page)).toBe(0);
        expect(look.complaints).toEqual([]);
      },
    );
  });

  describe.each(LOCALES)('in a window of 320 pixels, %s', (locale) => {
    let look: Awaited<ReturnType<typeof openPage>>;

    beforeAll(async () => {
      look = await openPage(browser, { viewport: { width: 320, height: 640 } });
    });

    afterAll(() => look?.context.close());

    test.each(fixtures)('$screen, $sample needs no scrolling sideways', async ({ screen, sample }) => {
      await look.page.goto(`${server.origin}/screen/${screen}/${sample}/${locale}`, { waitUntil: 'load' });
      expect(await overflowOf(look.page)).toBe(0);
    });
  });

  test('the examination finds what it looks for', async () => {
    const { page, context } = await openPage(browser, { viewport: { width: 320, height: 640 } });
    await page.setContent(
      '<main><p style="color:#aaa;background:#fff;width:600px">pale</p><button style="height:20px">small</button></main>',
    );
    expect((await violationsOn(page)).map((line) => line.split(':')[0])).toContain('color-contrast');
    expect(await smallTargetsOn(page)).toHaveLength(1);
    expect(await overflowOf(page)).toBeGreaterThan(200);
    await context.close();
  });

  test('with reduced motion nothing moves', async () => {
    const { page, context } = await openPage(browser, { reducedMotion: 'reduce' });
    await page.goto(`${server.origin}/screen/login/first-party/en`);
    const moving = await page.evaluate(() =>
      [...document.querySelectorAll('*')]
        .map((element) => getComputedStyle(element))
        .filter(({ transitionDuration, animationName }) => transitionDuration !== '0s' || animationName !== 'none'),
    );
    expect(moving).toHaveLength(0);
    await context.close();
  });

  test('with forced colours fields, buttons and the focus keep their outlines', async () => {
    const { page, context } = await openPage(browser, { forcedColors: 'active' });
    await page.goto(`${server.origin}/screen/login/first-party/en`);
    const outlines = await page.evaluate(() => {
      const style = (selector: string) => getComputedStyle(document.querySelector(selector)!);
      return [style('.button').borderTopStyle, style('#password').borderTopStyle, style('#email').outlineStyle];
    });
    expect(outlines).toEqual(['solid', 'solid', 'solid']);
    await context.close();
  });
});
