import { type ChildProcess, spawn } from 'node:child_process';
import { request } from 'node:http';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../', import.meta.url));

const started: ChildProcess[] = [];

/** For `afterAll`: what a failed test left running. */
export function killAll(): void {
  for (const child of started) child.kill('SIGKILL');
}

export interface Run {
  child: ChildProcess;
  /** What it printed by the time it was ready. */
  ready: Promise<string>;
  ended: Promise<{ code: number | null; out: string; error: string }>;
}

/** The service as `npm start` runs it, with nothing but these variables. */
export function start(variables: Record<string, string>): Run {
  const child = spawn(process.execPath, ['scripts/start.mjs'], {
    cwd: root,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  started.push(child);
  let out = '';
  let error = '';
  const ready = new Promise<string>((resolve, reject) => {
    child.stdout!.on('data', (chunk) => {
      out += chunk;
      if (/ready at[\s\S]*\n$/.test(out)) resolve(out);
    });
    child.once('close', () => reject(new Error(`it ended: ${error}`)));
  });
  ready.catch(() => {});
  child.stderr!.on('data', (chunk) => {
    error += chunk;
  });
  const ended = new Promise<{ code: number | null; out: string; error: string }>((resolve) => {
    // Running Jest alone may find sources that were not compiled yet.
    child.once('close', (code) => resolve({ code, out, error: error.replace('Building …\n', '') }));
  });
  return { child, ready, ended };
}

export async function stop({ child, ended }: Run): Promise<Awaited<Run['ended']>> {
  child.kill('SIGTERM');
  return ended;
}

/** What a proxy in front would ask: any host, on the loopback address. */
export function askHost(port: string, host: string, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path, headers: { host } }, (response) => {
      response.resume();
      resolve(response.statusCode!);
    })
      .on('error', reject)
      .end();
  });
}
