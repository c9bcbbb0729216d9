import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
// @ts-expect-error A plain script without types.
import { isLoadedNever, prune, sizeOf } from '../../scripts/prune.mjs';
// @ts-expect-error A plain script without types.
import { unprivilegedUser } from '../../scripts/test-postgresql.mjs';
import { until } from '../support/deployed-service.ts';
import { freePort } from '../support/free-port.ts';
import { productionPackages } from './production-packages.ts';

jest.setTimeout(120_000);

const root = fileURLToPath(new URL('../..', import.meta.url));
/** What the last stage of the Dockerfile copies from elsewhere than the first two. */
const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8');

let image: string;
let data: string;
beforeAll(() => {
  image = mkdtempSync(join(tmpdir(), 'daemun-image-'));
  data = mkdtempSync(join(tmpdir(), 'daemun-volume-'));
  mkdirSync(join(image, 'node_modules'));
  for (const path of productionPackages()) {
    // A package in the folder of another one comes with that.
    if (path.lastIndexOf('node_modules/') > 0) continue;
    mkdirSync(dirname(join(image, path)), { recursive: true });
    cpSync(join(root, path), join(image, path), {
      recursive: true,
      filter: (source) => !isLoadedNever(belowModules(source)),
    });
  }
  for (const name of readdirSync(join(root, 'node_modules/@node-rs'))) {
    cpSync(join(root, 'node_modules/@node-rs', name), join(image, 'node_modules/@node-rs', name), { recursive: true });
  }
  prune(join(image, 'node_modules'));
  for (const path of ['dist', 'bin', 'package.json', 'prisma/migrations', 'interactions']) {
    cpSync(join(root, path), join(image, path), { recursive: true });
  }
  const { uid, gid } = unprivilegedUser() ?? {};
  chmodSync(data, 0o777);
  if (uid === undefined || gid === undefined) makeReadOnly(image);
  chmodSync(image, 0o555);
});
afterAll(() => {
  chmodSync(image, 0o755);
  rmSync(image, { recursive: true, force: true });
  rmSync(data, { recursive: true, force: true });
});

function belowModules(path: string): string {
  return path.slice(join(root, 'node_modules').length + 1);
}

/** For a user whom the files belong to; to another one they are read-only anyway. */
function makeReadOnly(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) makeReadOnly(path);
    if (!entry.isSymbolicLink()) chmodSync(path, entry.isDirectory() ? 0o755 : 0o444);
  }
}

test('the image copies what this test puts together', () => {
  const [, last = ''] = dockerfile.split(/^FROM .*\n(?![\s\S]*^FROM )/m);
  const copied = [...last.matchAll(/^COPY (?:--from=\w+ )?(.+) \.\/?\S*$/gm)]
    .flatMap(([, sources = '']) => sources.split(' '))
    .map((path) => path.replace('/app/', ''));
  expect(copied.toSorted()).toEqual(
    ['LICENSE', 'bin', 'dist', 'interactions', 'node_modules', 'package.json', 'prisma/migrations'].toSorted(),
  );
  expect(last).toMatch(/^HEALTHCHECK /m);
});

test('the image runs as somebody who may write to /data, where the embedded database has its volume, and nowhere else', () => {
  const [, user, group] = /^USER (\d+):(\d+)$/m.exec(dockerfile)!;
  expect([user, group]).not.toContain('0');
  const owned = [...dockerfile.matchAll(/(--chown|--chmod|--owner|\bch(?:own|mod)\b)[= ](\S+)/g)];
  expect(owned.map(([, how, who]) => [how, who])).toEqual([['--owner', user]]);
  expect(dockerfile).toContain(`install --directory --owner=${user} --group=${group} --mode=0700 /data `);
});

test('a build leaves out what only examples and tests depend on, and takes its frontend from nowhere', () => {
  // Beside workspaces npm counts as production what one of them depends on.
  const installs = dockerfile.match(/^RUN .*npm ci .*--omit=dev.*$/gm);
  expect(installs).toEqual([expect.stringMatching(/^RUN npm pkg delete workspaces && npm ci /)]);
  // A frontend of its own would have to be fetched from Docker Hub for every build, and nothing here needs one.
  expect(dockerfile).not.toMatch(/^#\s*syntax\s*=/im);
});

test('production dependencies take less than 150 MB', () => {
  const megabytes = sizeOf(join(image, 'node_modules')) / 1e6;
  expect(megabytes).toBeLessThan(150);
  // Smaller than any version of it was: then something is missing that should have been measured.
  expect(megabytes).toBeGreaterThan(20);
});

test('every package has its licence with it, also one that has it in its README alone', () => {
  const licence = /^(?:licen[cs]e|copying|notice)/i;
  const readme = /^readme(?:\.md)?$/i;
  const [kept, lost]: [string[], string[]] = [[], []];
  const look = (modules: string) => {
    for (const name of readdirSync(join(image, modules))) {
      const path = join(modules, name);
      if (name.startsWith('@')) look(path);
      if (!existsSync(join(image, path, 'package.json'))) continue;
      if (existsSync(join(image, path, 'node_modules'))) look(join(path, 'node_modules'));
      if (readdirSync(join(root, path)).some((file) => licence.test(file))) continue;
      const there = readdirSync(join(root, path)).filter((file) => readme.test(file));
      if (there.length) (existsSync(join(image, path, there[0]!)) ? kept : lost).push(path);
    }
  };
  look('node_modules');
  expect(lost).toEqual([]);
  expect(kept.length).toBeGreaterThan(0);
});

test('it starts on files it may not write, as somebody who owns none, answers the health check and ends with 0', async () => {
  const port = String(await freePort());
  const metricsPort = String(await freePort());
  const child = spawn(process.execPath, ['dist/main.js'], {
    cwd: image,
    ...unprivilegedUser(),
    env: {
      PATH: process.env.PATH,
      HOST: '127.0.0.1',
      PORT: port,
      DATA_DIR: join(data, 'data'),
      KEYS_DIR: join(data, 'keys'),
      DAEMUN_METRICS_PORT: metricsPort,
      // What is loaded only when it is asked for has to be there too.
      REDIS_URL: `redis://127.0.0.1:${await freePort()}`,
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${await freePort()}`,
      SMTP_URL: `smtp://127.0.0.1:${await freePort()}`,
      MAIL_FROM: 'no-reply@example.com',
      PASSWORD_HASH: 'argon2id',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = collect(child);
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  try {
    await until('it is ready', async () => {
      if (child.exitCode !== null) throw new Error(said());
      return said().includes('is ready at');
    });
    expect(await healthCheck(port)).toBe(0);
    expect((await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).status).toBe(200);
    expect((await fetch(`http://localhost:${port}/`)).status).toBe(200);
    expect(readdirSync(image).toSorted()).toEqual(
      ['bin', 'dist', 'interactions', 'node_modules', 'package.json', 'prisma'].toSorted(),
    );
  } finally {
    child.kill('SIGTERM');
  }
  expect([await ended, said()]).toEqual([0, expect.not.stringMatching(/Cannot find|EACCES|EROFS/)]);
  expect(await healthCheck(port)).toBe(1);
});

function collect(child: ChildProcess): () => string {
  let text = '';
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.on('data', (chunk) => {
      text += chunk;
    });
  }
  return () => text;
}

/** The command of the Dockerfile. */
function healthCheck(port: string): Promise<number | null> {
  const [, json] = /^HEALTHCHECK [^[]*(\[.*\])$/m.exec(dockerfile.replaceAll('\\\n', ''))!;
  const [command, ...options] = JSON.parse(json!) as [string, ...string[]];
  expect(command).toBe('node');
  const child = spawn(process.execPath, options, { env: { PORT: port }, stdio: 'ignore' });
  return new Promise((resolve) => child.once('close', resolve));
}
