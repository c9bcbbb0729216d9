// The browser of `npm run screens` and of the tests in test/browser.

import { existsSync } from 'node:fs';

const executablePath = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium';

/** Quiet, and able to run where there is no sandbox, as in containers: it opens nothing but pages of ours. */
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Why there is no browser to launch, or nothing. */
export function missingChromium() {
  if (existsSync(executablePath)) return undefined;
  return `no Chromium at ${executablePath}; install it or set CHROMIUM_PATH`;
}

/** @returns {Promise<import('playwright-core').Browser>} */
export async function launchChromium() {
  const { chromium } = await import('playwright-core');
  return chromium.launch({ executablePath, args: FLAGS });
}
