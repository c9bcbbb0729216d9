import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { childrenOf, until } from '../support/deployed-service.ts';
import { freePort } from '../support/free-port.ts';

jest.setTimeout(120_000);

const loader = new URL('../support/typescript-loader.mjs', import.meta.url).href;
const script = fileURLToPath(new URL('run-workers.script.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'daemun-supervisor-'));
const GENERATION = join(folder, 'generation');
const started: ChildProcess[] = [];
afterAll(() => {
  for (const child of started) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

async function startTwo(more: Record<string, string> = {}) {
  writeFileSync(GENERATION, 'first');
  const ports = { PORT: String(await freePort()), METRICS_PORT: String(await freePort()) };
  const child = spawn(process.execPath, ['--import', loader, script], {
    env: { PATH: process.env.PATH, GENERATION, ...ports, ...more },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  started.push(child);
  let out = '';
  let error = '';
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  child.stderr.on('data', (chunk) => {
    error += chunk;
  });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  await until('it is ready', async () => out.includes('ready at'));
  const workers = () => childrenOf(child.pid!);
  const figures = async () => {
    const response = await fetch(`http://127.0.0.1:${ports.METRICS_PORT}/metrics`);
    const text = await response.text();
    const figure = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
    return {
      status: response.status,
      asked: figure('daemun_asked_total'),
      ready: figure('daemun_workers_ready'),
      restarts: figure('daemun_worker_restarts_total'),
    };
  };
  await until('both answer', async () => (await figures()).ready === 2);
  return {
    child,
    ended,
    error: () => error,
    workers,
    figures,
    /** Which worker answered, and with what. */
    async ask() {
      const response = await fetch(`http://127.0.0.1:${ports.PORT}/`, {
        headers: { connection: 'close' },
        signal: AbortSignal.timeout(10_000),
      });
      const [pid, generation] = (await response.text()).split(' ');
      return { pid: Number(pid), generation };
    },
  };
}

describe('two workers', () => {
  let service: Awaited<ReturnType<typeof startTwo>>;
  beforeAll(async () => {
    service = await startTwo();
  });

  test('what was counted by one that was killed stays counted', async () => {
    const { ask, figures, workers } = service;
    for (let count = 0; count < 6; count++) await ask();
    expect((await figures()).asked).toBe(6);
    const [victim] = workers();
    process.kill(victim!, 'SIGKILL');
    await until('another took its place', async () => {
      const { ready, restarts } = await figures();
      return ready === 2 && restarts === 1;
    });
    expect((await figures()).asked).toBe(6);
    await ask();
    expect((await figures()).asked).toBe(7);
  });

  test('one that hangs does not silence the figures, and is replaced', async () => {
    const { ask, error, figures, workers } = service;
    const before = await figures();
    const [victim] = workers();
    process.kill(victim!, 'SIGSTOP');
    expect(await figures()).toEqual(before);
    await until('another took its place', async () => {
      const { ready, restarts } = await figures();
      return ready === 2 && restarts === before.restarts + 1;
    });
    expect(error()).toContain(`Worker ${victim} does not answer and is killed.`);
    expect(workers()).not.toContain(victim);
    expect((await ask()).pid).not.toBe(victim);
  });

  test('a SIGHUP while workers are replaced is heard too: whoever began before it is replaced once more', async () => {
    const { ask, child, workers } = service;
    const old = workers();
    writeFileSync(GENERATION, 'second');
    child.kill('SIGHUP');
    await until(
      'the first was replaced',
      async () => workers().some((pid) => !old.includes(pid)) && (await ask()).generation === 'second',
    );
    writeFileSync(GENERATION, 'third');
    child.kill('SIGHUP');
    await until('all have the latest', async () => {
      const answers = [await ask(), await ask(), await ask(), await ask()];
      return workers().length === 2 && answers.every(({ generation }) => generation === 'third');
    });
  });

  test('when the process above is killed, the workers end', async () => {
    const { child, ended, workers } = service;
    // What came before may still be putting one in the place of another.
    await until('there are two', async () => workers().length === 2);
    const orphans = workers();
    expect(orphans).toHaveLength(2);
    child.kill('SIGKILL');
    await ended;
    await until('they are gone', async () => orphans.every((pid) => !isAlive(pid)));
  });
});

test('when five starts fail and nobody answers, the whole ends with 1 and says why; in production workers are told of in JSON lines', async () => {
  const { ended, error, workers } = await startTwo({ NODE_ENV: 'production' });
  writeFileSync(GENERATION, 'broken');
  for (const pid of workers()) process.kill(pid, 'SIGKILL');
  expect(await ended).toBe(1);
  expect(error()).toMatch(/It is broken\.[\s\S]*No worker starts: the last 5 ended before they were ready\./);
  const told = error()
    .split('\n')
    .filter((line) => line.includes('another takes its place'));
  expect(told.length).toBeGreaterThan(0);
  for (const line of told) {
    expect(JSON.parse(line)).toEqual({
      level: 'warn',
      time: expect.any(String),
      msg: expect.stringMatching(/^Worker \d+ ended \(/),
    });
  }
});

test('a successor that never gets ready is killed after a while, the old ones stay, and the next SIGHUP is heard', async () => {
  const { ask, child, error, workers } = await startTwo({ START_PATIENCE: '6000' });
  const old = workers();
  writeFileSync(GENERATION, 'stuck');
  child.kill('SIGHUP');
  await until('it is given up', async () => error().includes('A new worker did not start (SIGKILL)'));
  expect(error()).toMatch(/^Warning: Worker \d+ was not ready within 6 s and is killed\.$/m);
  expect(workers().toSorted()).toEqual(old.toSorted());
  expect((await ask()).generation).toBe('first');
  writeFileSync(GENERATION, 'second');
  // A busy machine may need several tries.
  let givenUp = 0;
  await until('all have the latest', async () => {
    const now = error().split('A new worker did not start').length;
    if (now > givenUp) child.kill('SIGHUP');
    givenUp = now;
    const answers = [await ask(), await ask(), await ask(), await ask()];
    return workers().length === 2 && answers.every(({ generation }) => generation === 'second');
  });
  child.kill('SIGKILL');
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
