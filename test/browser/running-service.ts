import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import type { NewAccount } from '../../src/accounts/accounts.ts';
import { createApp } from '../../src/app.ts';
import { type Environment, loadConfig } from '../../src/config/load.ts';
import { openServices } from '../../src/services.ts';
import { providers } from '../../src/upstreams/registry.ts';
import { createEmptyDatabase } from '../support/database.ts';
import { freePort } from '../support/free-port.ts';

export const ADMINISTRATOR = { userName: 'jiwoo', password: 'four unrelated quiet words' };

/** The whole service on a fresh database, as `npm start` makes it, with one relying party registered. */
export async function startWholeService(
  { redirectUri }: { redirectUri: string },
  { env, people = [] }: { env?: Environment; people?: NewAccount[] } = {},
) {
  const folder = mkdtempSync(join(tmpdir(), 'daemun-browser-'));
  const database = await createEmptyDatabase();
  const port = await freePort();
  const config = loadConfig(providers, {
    PORT: String(port),
    HOST: 'localhost',
    KEYS_DIR: join(folder, 'keys'),
    LOG_LEVEL: 'error',
    DAEMUN_BCRYPT_COST: '10',
    DAEMUN_SIGN_IN_PAGES_PER_ADDRESS: '10000',
    ...(database ? { DATABASE_URL: database.url } : { DATA_DIR: join(folder, 'data') }),
    ...env,
  });
  const services = await openServices(config);
  const registered = await services.clients.create(
    {
      name: 'Maru Notes',
      metadata: {
        redirect_uris: [redirectUri],
        post_logout_redirect_uris: [new URL('/', redirectUri).href],
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code', 'refresh_token'],
        policy_uri: 'https://maru.example/privacy',
        tos_uri: 'https://maru.example/terms',
      },
    },
    { actor: 'test' },
  );
  for (const person of people) await services.accounts.create(person, { actor: 'test' });
  await services.close();
  if (registered.kind === 'refused') throw new Error(JSON.stringify(registered.problems));
  const app = await createApp(config);
  await app.listen();
  return {
    issuer: config.issuer,
    setupLink: app.setupLink!,
    clientId: registered.client.id,
    async close() {
      await app.close();
      await database?.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Follows the setup link to the end. */
export async function setUp(page: Page, setupLink: string): Promise<void> {
  await page.goto(setupLink);
  await page.fill('[name=user_name]', ADMINISTRATOR.userName);
  await page.fill('[name=password]', ADMINISTRATOR.password);
  await Promise.all([
    page.waitForResponse((response) => response.request().method() === 'POST'),
    page.keyboard.press('Enter'),
  ]);
  await page.waitForSelector('.symbol');
}

export async function signIn(page: Page): Promise<void> {
  await page.fill('[name=email]', ADMINISTRATOR.userName);
  await page.fill('[name=password]', ADMINISTRATOR.password);
  await page.click('form.form [type=submit]');
}

const PAGE = `<!doctype html><title>Maru Notes</title><main>
<button id="sign-in">Sign in</button><button id="sign-out">Sign out</button><pre id="user"></pre></main>
<script src="/oidc-client-ts.js"></script><script src="/application.js"></script>`;

const SCRIPT = `
const settings = new URLSearchParams(location.search);
for (const name of ['authority', 'client_id']) if (settings.has(name)) sessionStorage.setItem(name, settings.get(name));
const manager = new oidc.UserManager({
  authority: sessionStorage.getItem('authority'),
  client_id: sessionStorage.getItem('client_id'),
  redirect_uri: location.origin + '/callback',
  post_logout_redirect_uri: location.origin + '/',
  scope: 'openid profile email offline_access',
  loadUserInfo: true,
  automaticSilentRenew: false,
});
document.getElementById('sign-in').onclick = () => manager.signinRedirect({ prompt: 'consent' });
document.getElementById('sign-out').onclick = () => manager.signoutRedirect();
const show = (value) => { document.getElementById('user').textContent = JSON.stringify(value); };
if (location.pathname === '/callback') {
  manager.signinCallback().then((user) => manager.signinSilent().then((renewed) => show({ user, renewed })), (error) => show({ error: error.error ?? String(error) }));
} else if (settings.has('signed-out')) show({ signedOut: true });
`;

/** A relying party on oidc-client-ts, on an origin of its own. */
export async function startRelyingParty() {
  // Not among the package's exports: what a page loads by a script element.
  const library = readFileSync(
    new URL('../../node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js', import.meta.url),
  );
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url!, 'http://localhost');
    if (pathname === '/oidc-client-ts.js') return response.setHeader('Content-Type', 'text/javascript').end(library);
    if (pathname === '/application.js') return response.setHeader('Content-Type', 'text/javascript').end(SCRIPT);
    return response.setHeader('Content-Type', 'text/html').end(PAGE);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    origin,
    redirectUri: `${origin}/callback`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
