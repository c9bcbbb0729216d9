// Brings a checkout to the point where it can run: packages installed, Prisma client generated, sources compiled.
// Plain JavaScript on Node alone, because it runs before anything is installed. Does nothing when everything is fresh.
// Stamps are written last, so whatever was interrupted is done again by the next run.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const installStamp = join(root, 'node_modules/.daemun-installed');
const buildStamp = join(root, 'dist/.built');

const MINIMUM_NODE = [20, 19];

/** Ends the process when this Node is too old to run the service. */
export function requireNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > MINIMUM_NODE[0] || (major === MINIMUM_NODE[0] && minor >= MINIMUM_NODE[1])) return;
  fail(`Daemun needs Node.js ${MINIMUM_NODE.join('.')} or newer; this is ${process.versions.node}.`);
}

/**
 * `dev` also installs what tests need. `onlyMissing` leaves packages alone that are there, if not the newest: exchanging them would
 * pull them from under a service that runs from the same checkout.
 */
export async function prepare({ dev = false, onlyMissing = false } = {}) {
  const isReady = () => (onlyMissing ? hasBuildTools() : isInstalled(dev));
  if (isReady() && isBuilt()) return;
  await underLock(async () => {
    if (!isReady()) install(dev);
    if (!isBuilt()) await build();
  });
}

function install(dev) {
  // Development packages that are there stay there: `npm start` after `npm test` must not undo it.
  const full = dev || existsSync(join(root, 'node_modules/jest'));
  say(full ? 'Installing packages …' : 'Installing packages (the first start takes a moment) …');
  rmSync(installStamp, { force: true });
  npm(['ci', full ? '--include=dev' : '--omit=dev', '--no-audit', '--no-fund', '--loglevel=error']);
  // The build's own tools are optional, or optional peers of the Prisma client, so a production install brings them along.
  if (!hasBuildTools()) npm(['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error']);
  writeFileSync(installStamp, stampOfInstall(existsSync(join(root, 'node_modules/jest'))));
}

function isInstalled(dev) {
  if (!hasBuildTools()) return false;
  if (!existsSync(installStamp)) return adoptInstall(dev);
  const stamp = readFileSync(installStamp, 'utf8');
  return stamp === stampOfInstall(true) || (!dev && stamp === stampOfInstall(false));
}

function hasBuildTools() {
  const files = ['prisma/build/index.js', 'typescript/bin/tsc', 'rolldown/package.json'];
  return files.every((file) => existsSync(join(root, 'node_modules', file)));
}

/** Somebody ran `npm ci` or `npm install` by hand: fine, when it matches the lock file. */
function adoptInstall(dev) {
  const installed = readJson('node_modules/.package-lock.json')?.packages;
  const wanted = readJson('package-lock.json')?.packages;
  if (!installed || !wanted) return false;
  const matches = (full) =>
    Object.entries(wanted).every(
      ([path, { version, optional, link, dev: forDev }]) =>
        !path.startsWith('node_modules/') ||
        optional ||
        link ||
        (forDev && !full) ||
        installed[path]?.version === version,
    );
  if (!matches(dev)) return false;
  writeFileSync(installStamp, stampOfInstall(matches(true)));
  return true;
}

function stampOfInstall(full) {
  const lock = hash([['package-lock.json', readFileSync(join(root, 'package-lock.json'))]]);
  return `${lock} ${process.platform}-${process.arch} ${full ? 'full' : 'production'}\n`;
}

async function build() {
  say('Building …');
  const { build: compile } = await import('./build.mjs');
  // Taken before: what changes while it compiles is compiled next time.
  const stamp = stampOfBuild();
  compile({ stamp: (folder) => writeFileSync(join(folder, '.built'), stamp) });
}

function isBuilt() {
  if (!existsSync(buildStamp) || !existsSync(join(root, 'src/generated/prisma/client.ts'))) return false;
  return readFileSync(buildStamp, 'utf8') === stampOfBuild();
}

/** Everything that the compiled output depends on, by content: a changed date alone builds nothing. */
export function stampOfBuild() {
  const sources = readdirSync(join(root, 'src'), { recursive: true })
    .map((file) => `src/${file.replaceAll('\\', '/')}`)
    .filter((file) => file.endsWith('.ts') && !file.startsWith('src/generated/'))
    .sort();
  const others = ['package-lock.json', 'prisma/schema.prisma', 'scripts/build.mjs', 'scripts/bundle.mjs'];
  return hash([...others, ...sources].map((file) => [file, readFileSync(join(root, file))]));
}

function hash(files) {
  const digest = createHash('sha256');
  for (const [name, content] of files) digest.update(`${name}\0${content.length}\0`).update(content);
  return digest.digest('hex');
}

function npm(args) {
  // Under `npm start` npm says where it is, which also works where no `npm` is on the path.
  const own = process.env.npm_execpath?.endsWith('npm-cli.js') ? process.env.npm_execpath : undefined;
  const options = { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 };
  const { status, stdout, stderr, error } = own
    ? spawnSync(process.execPath, [own, ...args], options)
    : spawnSync('npm', args, { ...options, shell: process.platform === 'win32' });
  if (status === 0) return;
  const reason = error?.code === 'ENOENT' ? 'npm was not found. Install Node.js together with npm.' : '';
  fail(
    `${stdout ?? ''}${stderr ?? ''}${reason}\nThe packages could not be installed; the next start tries again.`.trim(),
  );
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(join(root, path), 'utf8'));
  } catch {
    return undefined;
  }
}

/** Two starts at once in one checkout: the second waits. A socket, because the kernel drops it even on kill -9. */
async function underLock(work) {
  const name = `daemun-setup-${createHash('sha256').update(root).digest('hex').slice(0, 16)}`;
  const path = process.platform === 'win32' ? `\\\\.\\pipe\\${name}` : join(tmpdir(), `${name}.sock`);
  const release = await listenWhenFree(path);
  try {
    await work();
  } finally {
    release();
  }
}

async function listenWhenFree(path) {
  for (;;) {
    const waiting = new Set();
    const server = createServer((socket) => waiting.add(socket.on('error', () => {})));
    const failure = await new Promise((resolve) => {
      server.once('error', resolve).listen(path, () => resolve());
    });
    if (!failure) {
      process.once('exit', () => rmSync(path, { force: true }));
      return () => {
        server.close();
        for (const socket of waiting) socket.destroy();
      };
    }
    // Another user's leftover, or no room for sockets: go on without.
    if (failure.code !== 'EADDRINUSE') return () => {};
    const owned = await new Promise((resolve) => {
      const socket = connect(path);
      socket.once('error', () => resolve(false));
      socket.once('connect', () => socket.once('close', () => resolve(true)));
    });
    if (owned) continue;
    try {
      rmSync(path, { force: true });
    } catch {
      return () => {};
    }
  }
}

function say(text) {
  process.stderr.write(`${text}\n`);
}

function fail(text) {
  process.stderr.write(`${text}\n`);
  process.exit(1);
}
