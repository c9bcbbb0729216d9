import { describe, test } from '@jest/globals';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
// @ts-expect-error a script without types
import { launchChromium, missingChromium } from '../../scripts/chromium.mjs';

/** Runs the tests where there is a browser. Elsewhere they are skipped and say so, except in CI, where one belongs. */
export function describeInBrowser(name: string, tests: () => void): void {
  const why: string | undefined = missingChromium();
  if (!why) {
    describe(name, tests);
    return;
  }
  if (process.env.CI === 'true') {
    test(`${name}: needs a browser`, () => {
      throw new Error(why);
    });
    return;
  }
  console.warn(`Skipped: ${name} (${why}).`);
  describe.skip(`${name} (${why})`, tests);
}

export function launchBrowser(): Promise<Browser> {
  return launchChromium();
}

/** A page in a browser without a past, and what its console complained about. */
export async function openPage(browser: Browser, options: BrowserContextOptions = {}) {
  const context = await browser.newContext({ locale: 'en', ...options });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  return { page, context, complaints };
}

/** How much wider than the window the page is. */
export function overflowOf(page: Page): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}
