import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { freePort } from '../support/free-port.ts';

/** Compiling the samples and four processes starting, on a busy machine. */
const TIMEOUT = 120_000;

const NAMES = ['PORT', 'DEMO_WEB_APP_PORT', 'DEMO_API_PORT', 'DEMO_UPSTREAMS_PORT'] as const;
type Ports = Record<(typeof NAMES)[number], number>;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'daemun-demo-processes-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function freePorts(): Promise<Ports> {
  const ports = await Promise.all(NAMES.map(freePort));
  return Object.fromEntries(NAMES.map((name, index) => [name, ports[index]])) as Ports;
}

interface Demo {
  process: ChildProcess;
  output(): string;
  /** Once this has been printed; not before the end otherwise. */
  printed(text: string): Promise<void>;
  /** Once no process is left that could print: all of them inherit what the first one prints to. */
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

const running = new Set<ChildProcess>();
afterEach(() => {
  // In a group of its own, so that a test that fails leaves nothing behind.
  for (const { pid } of running) process.kill(-pid!, 'SIGKILL');
});

function run(command: string[], environment: Record<string, string>): Demo {
  const child = spawn(command[0]!, command.slice(1), {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, NO_UPDATE_NOTIFIER: '1', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  running.add(child);
  let output = '';
  const ended = new Promise<Awaited<Demo['ended']>>((resolve) =>
    child.once('close', (code, signal) => {
      running.delete(child);
      resolve({ code, signal });
    }),
  );
  const printed = (text: string) =>
    new Promise<void>((resolve, reject) => {
      const look = () => output.includes(text) && resolve();
      for (const stream of [child.stdout!, child.stderr!]) stream.on('data', look);
      look();
      ended.then(({ code }) => reject(new Error(`it ended with ${code} before that:\n${output}`)));
    });
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (chunk) => (output += chunk));
  return { process: child, output: () => output, printed, ended };
}

/** Data of its own, and what a test says. */
function environment(ports: Ports): Record<string, string> {
  const name = String(ports.PORT);
  const given = Object.entries(ports).map(([variable, port]) => [variable, String(port)]);
  return { ...Object.fromEntries(given), DATA_DIR: join(folder, name), KEYS_DIR: join(folder, `${name}-keys`) };
}

async function occupy(port: number): Promise<Server> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return server;
}

describe('a port that somebody else has', () => {
  const demo = (ports: Ports, others = {}) =>
    run([process.execPath, 'scripts/demo.mjs'], { ...environment(ports), ...others });

  test.each(NAMES)(
    '%s: one sentence says which and what to do, and nothing was started',
    async (name) => {
      const ports = await freePorts();
      const other = await occupy(ports[name]);
      const { ended, output } = demo(ports);
      expect((await ended).code).toBe(1);
      expect(output()).toMatch(
        new RegExp(
          `^Port ${ports[name]}, for .+, is in use by another process\\. Stop it, or .+ ${name}=\\d+ npm run demo$`,
          'm',
        ),
      );
      expect(output()).not.toMatch(/Error|\bat .+:\d+:\d+|ready at|Web app on/);
      await new Promise((resolve) => other.close(resolve));
    },
    TIMEOUT,
  );

  test(
    'two for one port, and what is no port, are said as well, all at once',
    async () => {
      const ports = await freePorts();
      const { ended, output } = demo(
        { ...ports, DEMO_API_PORT: ports.DEMO_WEB_APP_PORT },
        { DEMO_UPSTREAMS_PORT: 'x' },
      );
      expect((await ended).code).toBe(1);
      expect(output()).toContain(`DEMO_WEB_APP_PORT and DEMO_API_PORT are both ${ports.DEMO_WEB_APP_PORT}`);
      expect(output()).toContain('DEMO_UPSTREAMS_PORT, for the pretend Google and Discord, must be a port');
    },
    TIMEOUT,
  );

  test(
    'the pretend providers are not asked for one when the real ones are configured',
    async () => {
      const ports = await freePorts();
      const other = await occupy(ports.DEMO_UPSTREAMS_PORT);
      const third = await occupy(ports.DEMO_API_PORT);
      const { ended, output } = demo(ports, { GOOGLE_CLIENT_ID: 'c', GOOGLE_CLIENT_SECRET: 's' });
      expect((await ended).code).toBe(1);
      expect(output()).toContain(`Port ${ports.DEMO_API_PORT}`);
      expect(output()).not.toContain(`Port ${ports.DEMO_UPSTREAMS_PORT}`);
      for (const server of [other, third]) await new Promise((resolve) => server.close(resolve));
    },
    TIMEOUT,
  );
});

describe('npm run demo ends whole', () => {
  test.each<[signal: NodeJS.Signals, codes: (number | null)[]]>([
    ['SIGTERM', [0, 143, null]],
    ['SIGINT', [0, 130, null]],
    ['SIGKILL', [null]],
  ])(
    'by %s to npm alone: no process is left, and every port is free',
    async (signal, codes) => {
      const ports = await freePorts();
      const { process: npm, printed, ended, output } = run(['npm', 'run', '--silent', 'demo'], environment(ports));
      await printed('Stop everything with Ctrl+C.');
      expect(await fetch(`http://localhost:${ports.DEMO_WEB_APP_PORT}`)).toMatchObject({ status: 200 });
      npm.kill(signal);
      expect(codes).toContain((await ended).code);
      expect(output()).not.toMatch(/unsettled|Error:/);
      for (const port of Object.values(ports)) {
        const server = await occupy(port);
        await new Promise((resolve) => server.close(resolve));
      }
    },
    TIMEOUT,
  );

  test(
    'by SIGINT while it starts',
    async () => {
      const {
        process: demo,
        printed,
        ended,
        output,
      } = run([process.execPath, 'scripts/demo.mjs'], environment(await freePorts()));
      await printed('Daemun is ready');
      demo.kill('SIGINT');
      expect(await ended).toEqual({ code: 0, signal: null });
      expect(output()).not.toMatch(/unsettled|Error:/);
    },
    TIMEOUT,
  );
});
