import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from '@jest/globals';

const tools = fileURLToPath(new URL('checkout-tools', import.meta.url));
const scripts = fileURLToPath(new URL('../../scripts', import.meta.url));

/** A checkout in miniature, whose npm, Prisma and bundler only write down that they were called. */
let checkout: string;
let calls: string;

function write(path: string, content: string): void {
  mkdirSync(dirname(join(checkout, path)), { recursive: true });
  writeFileSync(join(checkout, path), content);
}

beforeEach(() => {
  checkout = join(mkdtempSync(join(tmpdir(), 'daemun-checkout-')), 'a path with spaces');
  calls = join(dirname(checkout), 'calls');
  mkdirSync(checkout);
  cpSync(scripts, join(checkout, 'scripts'), { recursive: true });
  write('package.json', '{ "type": "module" }');
  lock('1.0.0');
  write('prisma/schema.prisma', 'schema');
  write('tsconfig.json', '{}');
  write('tsconfig.build.json', '{}');
  write('src/main.ts', 'source');
  cpSync(tools, join(checkout, 'npm'), { recursive: true });
});
afterEach(() => rmSync(dirname(checkout), { recursive: true }));

function lock(version: string): void {
  write('package-lock.json', JSON.stringify({ packages: { '': {}, 'node_modules/koa': { version } } }));
}

function environmentOf(variables: Record<string, string> = {}) {
  return { PATH: process.env.PATH, CALLS: calls, npm_execpath: join(checkout, 'npm/npm-cli.js'), ...variables };
}

function prepare(variables: Record<string, string> = {}, options: { dev?: true; onlyMissing?: true } = {}) {
  rmSync(calls, { force: true });
  const { status, stderr } = spawnSync(
    process.execPath,
    [
      '-e',
      `import(${JSON.stringify(join(checkout, 'scripts/prepare.mjs'))}).then((m) => m.prepare(${JSON.stringify(options)}))`,
    ],
    {
      // Not the checkout: `bin/daemun.mjs` may be called from anywhere.
      cwd: tmpdir(),
      encoding: 'utf8',
      env: environmentOf(variables),
    },
  );
  return { status, stderr, calls: existsSync(calls) ? readFileSync(calls, 'utf8').trim().split('\n') : [] };
}

const FIRST_START = ['npm ci --omit=dev', 'generate', 'compile'];

test('a fresh checkout is installed and built once, in a path with spaces, with a line for each', () => {
  expect(prepare()).toEqual({
    status: 0,
    stderr: 'Installing packages (the first start takes a moment) …\nBuilding …\n',
    calls: FIRST_START,
  });
  expect(prepare()).toEqual({ status: 0, stderr: '', calls: [] });
});

test.each<[string, () => void, string[]]>([
  ['a source', () => write('src/main.ts', 'changed'), ['generate', 'compile']],
  ['a new source', () => write('src/other.ts', 'new'), ['generate', 'compile']],
  ['the data model', () => write('prisma/schema.prisma', 'changed'), ['generate', 'compile']],
  ['the lock file', () => lock('2.0.0'), FIRST_START],
  ['nothing but a date', () => utimesSync(join(checkout, 'src/main.ts'), new Date(), new Date()), []],
  ['something that was generated', () => write('src/generated/prisma/models.ts', 'x'), []],
  [
    'the generated client, by its loss',
    () => rmSync(join(checkout, 'src/generated'), { recursive: true }),
    ['generate', 'compile'],
  ],
  ['the output, by its loss', () => rmSync(join(checkout, 'dist'), { recursive: true }), ['generate', 'compile']],
])('after a change of %s exactly what depends on it is done again', (_what, change, expected) => {
  prepare();
  change();
  expect(prepare()).toMatchObject({ status: 0, calls: expected });
  expect(prepare().calls).toEqual([]);
});

test.each(['at first', 'half-way'])('an installation that was killed (%s) is done again', (moment) => {
  expect(prepare({ NPM_DIES: moment })).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('could not be installed; the next start tries again'),
  });
  expect(prepare()).toMatchObject({ status: 0, calls: FIRST_START });
});

test('a build that was killed leaves the old output whole and is done again', () => {
  prepare();
  write('src/main.ts', 'changed');
  expect(prepare({ COMPILER_DIES: '1' }).status).not.toBe(0);
  expect(readFileSync(join(checkout, 'dist/main.js'), 'utf8')).toBe('whole');
  expect(prepare()).toMatchObject({ status: 0, calls: ['generate', 'compile'] });
});

test('tests get the development packages, and a start afterwards keeps them', () => {
  expect(prepare({}, { dev: true }).calls[0]).toBe('npm ci --include=dev');
  expect(prepare().calls).toEqual([]);
  lock('3.0.0');
  expect(prepare().calls[0]).toBe('npm ci --include=dev');
});

test('writing documentation does so too, and leaves no checkout without what tests need', () => {
  const run = () => {
    rmSync(calls, { force: true });
    // There is nothing to document in this checkout.
    spawnSync(process.execPath, [join(checkout, 'scripts/docs.mjs')], { env: environmentOf() });
    return existsSync(calls) ? readFileSync(calls, 'utf8').trim().split('\n')[0] : undefined;
  };
  expect(run()).toBe('npm ci --include=dev');
  rmSync(join(checkout, 'node_modules'), { recursive: true });
  prepare();
  expect(run()).toBe('npm ci --include=dev');
});

test('a start that was installed without them installs them for tests', () => {
  prepare();
  expect(prepare({}, { dev: true }).calls).toEqual(['npm ci --include=dev']);
});

test('packages that somebody installed by hand are taken when they fit the lock file', () => {
  prepare();
  rmSync(join(checkout, 'node_modules/.daemun-installed'));
  const installed = (version: string) =>
    write('node_modules/.package-lock.json', JSON.stringify({ packages: { 'node_modules/koa': { version } } }));
  installed('1.0.0');
  expect(prepare().calls).toEqual([]);
  rmSync(join(checkout, 'node_modules/.daemun-installed'));
  installed('0.9.0');
  expect(prepare().calls[0]).toBe('npm ci --omit=dev');
});

test('a command builds what is stale and installs only what is missing, because a service may be running', () => {
  expect(prepare({}, { onlyMissing: true }).calls).toEqual(FIRST_START);
  lock('2.0.0');
  write('src/main.ts', 'changed');
  expect(prepare({}, { onlyMissing: true }).calls).toEqual(['generate', 'compile']);
});

test.each([
  ['18.20.4', 1, 'Daemun needs Node.js 20.19 or newer; this is 18.20.4.\n'],
  ['20.18.3', 1, 'Daemun needs Node.js 20.19 or newer; this is 20.18.3.\n'],
  ['20.19.0', 0, ''],
  ['26.1.0', 0, ''],
])('Node.js %s is judged before anything else', (version, status, stderr) => {
  const judge = `Object.defineProperty(process.versions, 'node', { value: '${version}' });
    import(${JSON.stringify(join(checkout, 'scripts/prepare.mjs'))}).then((m) => m.requireNode())`;
  expect(spawnSync(process.execPath, ['-e', judge], { encoding: 'utf8' })).toMatchObject({ status, stderr });
});

test('two starts at once do the work once', async () => {
  rmSync(calls, { force: true });
  const both = `const { spawn } = await import('node:child_process');
    const one = () => new Promise((resolve) => spawn(process.execPath, ['-e', 'import(' + JSON.stringify(${JSON.stringify(join(checkout, 'scripts/prepare.mjs'))}) + ').then((m) => m.prepare())']).on('close', resolve));
    process.exit(Math.max(...(await Promise.all([one(), one(), one()]))));`;
  const { status } = spawnSync(process.execPath, ['--input-type=module', '-e', both], {
    cwd: tmpdir(),
    env: environmentOf(),
  });
  expect([status, readFileSync(calls, 'utf8').trim().split('\n')]).toEqual([0, FIRST_START]);
});
