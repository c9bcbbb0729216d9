// Renders every fixture of interactions/fixtures to PNG: phone and desktop, every language, light and dark.
//   npm run screens                 all of them, into screens/
//   npm run screens -- login error  only these screens

import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { launchChromium, missingChromium } from './chromium.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const compiled = join(root, 'node_modules/.cache/daemun-screens');
const output = join(root, 'screens');

const VIEWPORTS = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 900 } };
const SCHEMES = ['light', 'dark'];

/** Compiled apart from dist/, so that a running service is left alone. */
async function loadScreens() {
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  const options = ['-p', join(root, 'tsconfig.build.json'), '--noCheck', '--sourceMap', 'false', '--outDir', compiled];
  const { status, stdout, stderr } = spawnSync(process.execPath, [compiler, ...options], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${stdout}${stderr}`);
  const { loadScreens } = await import(pathToFileURL(join(compiled, 'interactions/screens.js')).href);
  return loadScreens({ branding: { name: 'Daemun' }, secure: false, folder: join(root, 'interactions') });
}

function readFixtures(wanted) {
  const folder = join(root, 'interactions/fixtures');
  return readdirSync(folder)
    .map((file) => basename(file, '.json'))
    .filter((screen) => wanted.length === 0 || wanted.includes(screen))
    .flatMap((screen) => {
      const samples = JSON.parse(readFileSync(join(folder, `${screen}.json`), 'utf8'));
      return Object.keys(samples).map((sample) => ({ screen, sample, view: samples[sample] }));
    });
}

/** Serves the rendered fixtures with the policy they have in the service. */
function serve(screens, fixtures) {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    const [, first, screen, sample, locale] = pathname.split('/');
    const asset = first === 'assets' && screens.assets.find(screen)?.asset;
    if (asset) return response.writeHead(200, { 'Content-Type': asset.type }).end(asset.body);
    if (first === '.well-known')
      return response.writeHead(200, { 'Content-Type': 'application/json' }).end(discovery(server));
    const fixture = first === 'screen' && fixtures.find((one) => one.screen === screen && one.sample === sample);
    if (!fixture) return response.writeHead(404).end();
    const view = JSON.parse(JSON.stringify(fixture.view).replaceAll('http://localhost:3000', originOf(server)));
    const html = screens.html(fixture.screen, view, { locale, path: '/' });
    return response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(html);
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

function originOf(server) {
  return `http://127.0.0.1:${server.address().port}`;
}

function discovery(server) {
  const issuer = originOf(server);
  return JSON.stringify({
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    userinfo_endpoint: `${issuer}/userinfo`,
    jwks_uri: `${issuer}/.well-known/jwks.json`,
    end_session_endpoint: `${issuer}/logout`,
  });
}

const missing = missingChromium();
if (missing) {
  console.error(`There is ${missing}.`);
  process.exit(1);
}
const fixtures = readFixtures(process.argv.slice(2));
const screens = await loadScreens();
const server = await serve(screens, fixtures);
const browser = await launchChromium();
if (process.argv.length === 2) rmSync(output, { recursive: true, force: true });
mkdirSync(output, { recursive: true });
let count = 0;
for (const [device, viewport] of Object.entries(VIEWPORTS)) {
  for (const colorScheme of SCHEMES) {
    const page = await browser.newPage({ viewport, colorScheme, deviceScaleFactor: device === 'phone' ? 2 : 1 });
    for (const { screen, sample } of fixtures) {
      for (const locale of screens.messages.locales) {
        await page.goto(`${originOf(server)}/screen/${screen}/${sample}/${locale}`, {
          waitUntil: screen === 'playground' ? 'networkidle' : 'load',
        });
        await page.screenshot({
          path: join(output, `${screen}.${sample}.${device}.${locale}.${colorScheme}.png`),
          fullPage: true,
        });
        count += 1;
      }
    }
    await page.close();
  }
}
await browser.close();
server.close();
console.log(`${count} pictures in ${output}`);
