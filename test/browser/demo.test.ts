import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { createEmptyDatabase } from '../support/database.ts';
import { freePort } from '../support/free-port.ts';
import { describeInBrowser, launchBrowser, openPage } from './chromium.ts';
import { setUp, signIn } from './running-service.ts';

/** Compiling the samples and four processes starting, on a busy machine. */
const START_TIMEOUT = 180_000;

describeInBrowser('npm run demo, as a stranger meets it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'daemun-demo-'));
  let browser: Browser;
  let database: Awaited<ReturnType<typeof createEmptyDatabase>>;
  let demo: Awaited<ReturnType<typeof startDemo>>;

  beforeAll(async () => {
    browser = await launchBrowser();
    database = await createEmptyDatabase();
    demo = await startDemo(folder, database?.url);
  }, START_TIMEOUT);

  afterAll(async () => {
    await demo?.stop();
    await browser?.close();
    await database?.close();
    rmSync(folder, { recursive: true, force: true });
  }, START_TIMEOUT);

  test('from the printed setup link to an API that trusts the token by the published keys', async () => {
    const { page, context } = await openPage(browser);
    await setUp(page, demo.setupLink);

    await page.goto(demo.webApp);
    await page.click('a:text-is("Sign in")');
    await page.waitForSelector('[name=password]');
    await signIn(page);
    await page.click('button:text-is("Allow")');
    await page.waitForURL(`${demo.webApp}/**`);

    await page.goto(`${demo.webApp}/profile`);
    expect(await page.innerText('main')).toContain('jiwoo');
    await page.click('button:text-is("Refresh")');
    await page.waitForURL(`${demo.webApp}/profile`);

    await writeThroughTheApi(page);

    await page.click('button:text-is("Sign out")');
    await page.waitForURL(`${demo.issuer}/logout*`);
    await page.click('button:text-is("Sign out")');
    await page.waitForURL(`${demo.webApp}/?state=signed-out`);
    expect(await page.innerText('main')).toContain('You are signed out');
    await context.close();
  }, 90_000);

  test.each([
    { provider: 'Google', name: 'Han Sori' },
    { provider: 'Discord', name: 'Kim Minjun' },
  ])(
    'with $provider, which needs no account there, to the same API',
    async ({ provider, name }) => {
      const { page, context } = await openPage(browser);
      await page.goto(demo.webApp);
      await page.click('a:text-is("Sign in")');
      await page.click(`button:has-text("Continue with ${provider}")`);
      await page.click(`button[name=as]:has-text("${name}")`);
      await page.click('button:text-is("Allow")');
      await page.waitForURL(`${demo.webApp}/**`);

      await page.goto(`${demo.webApp}/profile`);
      expect(await page.innerText('main')).toContain(name);
      await writeThroughTheApi(page);
      await context.close();
    },
    90_000,
  );

  /** The API is another party: its scopes are asked for when it is first called. */
  async function writeThroughTheApi(page: Page): Promise<void> {
    await page.goto(`${demo.webApp}/sessions`);
    await page.click('button:text-is("Connect the API")');
    await page.click('button:text-is("Allow")');
    await page.fill('[name=note]', 'written through the gate');
    await page.click('button:text-is("Create")');
    await page.waitForSelector('text=written through the gate');
  }

  test('the API answers strangers with 401 and says where tokens come from', async () => {
    const response = await fetch(`${demo.api}/user/somebody/sessions`);
    expect(response.status).toBe(401);
    const metadata = await fetch(`${demo.api}/.well-known/oauth-protected-resource`);
    expect(await metadata.json()).toMatchObject({ resource: demo.api, authorization_servers: [demo.issuer] });
  });
});

async function startDemo(folder: string, databaseUrl: string | undefined) {
  const [port, webAppPort, apiPort, upstreamsPort] = await Promise.all([1, 2, 3, 4].map(freePort));
  const child = spawn(process.execPath, ['scripts/demo.mjs'], {
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      PORT: String(port),
      DEMO_WEB_APP_PORT: String(webAppPort),
      DEMO_API_PORT: String(apiPort),
      DEMO_UPSTREAMS_PORT: String(upstreamsPort),
      KEYS_DIR: join(folder, 'keys'),
      ...(databaseUrl ? { DATABASE_URL: databaseUrl } : { DATA_DIR: join(folder, 'data') }),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = await untilReady(child);
  return {
    issuer: `http://localhost:${port}`,
    webApp: `http://localhost:${webAppPort}`,
    api: `http://localhost:${apiPort}`,
    setupLink: /http:\S+\/setup\/\S+/.exec(output)![0],
    async stop() {
      if (child.exitCode !== null) return;
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
    },
  };
}

function untilReady(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = '';
    const read = (chunk: Buffer) => {
      output += chunk;
      if (output.includes('Stop everything')) resolve(output);
    };
    child.stdout!.on('data', read);
    child.stderr!.on('data', read);
    child.once('exit', (code) => reject(new Error(`the demo ended with ${code}:\n${output}`)));
  });
}
