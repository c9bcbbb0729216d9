import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { freePort } from '../scripts/free-port.mjs';

/** Seconds. */
const TARGETS = { first: 25, again: 2 };
const WARM_STARTS = 5;
const GIVE_UP = 180;
/** What a new checkout does not have. */
const MADE_LATER = [
  'node_modules',
  'dist',
  'generated',
  'data',
  'keys',
  'screens',
  'coverage',
  'results',
  '.git',
  '.env',
];

/**
 * How long `npm start` takes in a new checkout, packages and build included, and how long the next times: until discovery answers.
 * Packages come as npm gets them on this machine, so its cache and the network count. Answers whether both are fast enough.
 */
export async function measureFromNothing(root) {
  const folder = mkdtempSync(join(tmpdir(), 'daemun-from-nothing-'));
  const checkout = join(folder, 'checkout');
  try {
    cpSync(root, checkout, { recursive: true, filter: (path) => !MADE_LATER.includes(basename(path)) });
    const first = await start(checkout, folder);
    const again = [];
    while (again.length < WARM_STARTS) again.push(await start(checkout, folder));
    // The fastest, because neighbours can only make it slower.
    const figures = { first, again: Math.min(...again) };
    console.log('from nothing, on the embedded database');
    for (const [which, target] of Object.entries(TARGETS)) {
      const verdict = figures[which] <= target ? 'reached' : 'MISSED';
      console.log(`  ${which.padEnd(6)} ${figures[which].toFixed(1).padStart(5)} s  (must: ${target} s) ${verdict}`);
    }
    return Object.entries(TARGETS).every(([which, target]) => figures[which] <= target);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Seconds until the service answers; it is stopped again. */
async function start(checkout, folder) {
  const port = await freePort();
  const began = performance.now();
  const child = spawn('npm', ['start'], {
    cwd: checkout,
    // Nothing of this machine's own settings; HOME is where npm keeps its cache.
    env: { PATH: process.env.PATH, HOME: process.env.HOME, PORT: port, KEYS_DIR: join(folder, 'keys') },
    stdio: ['ignore', 'pipe', 'pipe'],
    // npm, its shell and the service are stopped together.
    detached: true,
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      said = `${said}${text}`.slice(-4000);
    });
  }
  try {
    await untilAnswered(`http://localhost:${port}/.well-known/openid-configuration`, child, () => said);
    return (performance.now() - began) / 1000;
  } finally {
    await stop(child.pid);
  }
}

/** npm ends before the service has closed its database: the group is gone when the last of them is. */
async function stop(group) {
  for (let signal = 'SIGTERM'; ; signal = 0) {
    try {
      process.kill(-group, signal);
    } catch {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function untilAnswered(url, child, said) {
  const end = performance.now() + GIVE_UP * 1000;
  for (;;) {
    const response = await fetch(url).catch(() => undefined);
    await response?.arrayBuffer();
    if (response?.status === 200) return;
    if (child.exitCode !== null) throw new Error(`npm start ended with ${child.exitCode}:\n${said()}`);
    if (performance.now() > end) throw new Error(`no answer within ${GIVE_UP} s:\n${said()}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
