import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { until } from '../support/deployed-service.ts';
import { freePort } from '../support/free-port.ts';
import { productionPackages } from './production-packages.ts';

jest.setTimeout(120_000);

const root = fileURLToPath(new URL('../..', import.meta.url));
const output = join(root, 'dist');

/** What a module imports before it runs, `export … from` included. */
const IMPORTS = /^(?:import|export)\b[^'"`;]*?(?:from\s*)?["']([^"']+)["'];?$/gm;

/** Files of the output that are loaded with these, and the packages that they are loaded with. */
function loadedWith(entries: string[]): { files: Set<string>; packages: Set<string> } {
  const files = new Set<string>();
  const packages = new Set<string>();
  const visit = (file: string) => {
    if (files.has(file)) return;
    files.add(file);
    for (const [, name = ''] of readFileSync(file, 'utf8').matchAll(IMPORTS)) {
      if (name.startsWith('.')) visit(join(dirname(file), name));
      else packages.add(name);
    }
  };
  entries.forEach(visit);
  return { files, packages };
}

function chunk(name: string): string {
  const own = readFileSync(join(output, 'chunks/.names'), 'utf8').split('\n');
  return join(output, 'chunks', own.find((file) => file.startsWith(`${name}-`))!);
}

test('a start opens few files, and of node_modules only what is native', async () => {
  const { files, packages } = loadedWith([join(output, 'main.js'), chunk('app')]);
  const { builtinModules } = await import('node:module');
  const fromModules = [...packages].filter((name) => !name.startsWith('node:') && !builtinModules.includes(name));
  expect(fromModules).toEqual(['bcrypt']);
  // There are more than ten times as many sources and modules of packages in them.
  expect(files.size).toBeLessThan(60);
  expect(files.size).toBeGreaterThan(3);
});

test('what is in the output of packages comes with their licences: an image has each of them in node_modules too', () => {
  const files = readdirSync(output, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.js'));
  const inside = new Set<string>();
  for (const file of files) {
    for (const [, path = ''] of readFileSync(join(output, file), 'utf8').matchAll(
      /^\/\/#region (node_modules\/\S+)/gm,
    )) {
      inside.add(/^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)![0]);
    }
  }
  expect(inside.size).toBeGreaterThan(50);
  const production = productionPackages();
  const leftOut = [...inside].filter((path) => !production.has(path));
  expect(leftOut).toEqual([]);
});

test('one character never makes a file take twice its size in memory', () => {
  const { files } = loadedWith([join(output, 'main.js'), chunk('app')]);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: everything that is not ASCII
  const wide = [...files].filter((file) => /[^\x00-\x7f]/.test(readFileSync(file, 'utf8')));
  expect(wide).toEqual([]);
});

test('with source maps an error names the sources', () => {
  const script = `import(${JSON.stringify(join(output, 'config/load.js'))}).then(({ loadConfig }) => loadConfig(0, { PORT: '1' }))`;
  const { stderr } = spawnSync(process.execPath, ['--enable-source-maps', '-e', script], { encoding: 'utf8' });
  expect(stderr.replaceAll('\\', '/')).toMatch(/\/src\/config\/\w[\w-]*\.ts:\d+/);
});

let data: string;
beforeAll(() => {
  data = mkdtempSync(join(tmpdir(), 'daemun-bundle-'));
});
afterAll(() => rmSync(data, { recursive: true, force: true }));

test('a service that answers documents and JSON, and has asked nobody, has not loaded what only fetching needs', async () => {
  const port = String(await freePort());
  const report = `process.once('exit', () => process._rawDebug(
    'loaded ' + process.moduleLoadList.filter((name) => name.includes('undici')).length));`;
  const child = spawn(
    process.execPath,
    ['--import', `data:text/javascript,${encodeURIComponent(report)}`, join(output, 'main.js')],
    {
      cwd: data,
      env: { PATH: process.env.PATH, PORT: port, DATA_DIR: join(data, 'data'), KEYS_DIR: join(data, 'keys') },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += text));
  const ended = new Promise((resolve) => child.once('close', resolve));
  try {
    await until('it is ready', async () => {
      if (child.exitCode !== null) throw new Error(said);
      return said.includes('is ready at');
    });
    const issuer = `http://localhost:${port}`;
    expect((await fetch(`${issuer}/.well-known/openid-configuration`)).status).toBe(200);
    const refused = await fetch(`${issuer}/token`, { method: 'POST', body: new URLSearchParams({ grant_type: 'x' }) });
    expect([refused.status, await refused.json()]).toEqual([
      400,
      expect.objectContaining({ error: expect.any(String) }),
    ]);
  } finally {
    child.kill('SIGTERM');
  }
  expect([await ended, said]).toEqual([0, expect.stringMatching(/^loaded 0$/m)]);
});

test('what is beside the output is found from the files it was put into', () => {
  expect(readdirSync(join(output, 'generated/prisma/internal'))).toEqual([
    expect.stringMatching(/^query-compiler-[0-9a-f]{8}\.wasm$/),
  ]);
});
