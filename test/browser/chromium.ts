import { existsSync } from 'node:fs';
import { describe, test } from '@jest/globals';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

const executablePath = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium';
const isThere = existsSync(executablePath);

/** Flags of `npm run screens` too. */
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Runs the tests where there is a browser. Elsewhere they are skipped and say so, except in CI, where one belongs. */
export function describeInBrowser(name: string, tests: () => void): void {
  if (isThere) {
    describe(name, tests);
    return;
  }
  const why = `no Chromium at ${executablePath}; install it or set CHROMIUM_PATH`;
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
  return chromium.launch({ executablePath, args: FLAGS });
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
