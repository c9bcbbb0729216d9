import { fork, spawn } from 'node:child_process';
import { get } from 'node:http';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(here);

/** One of our own helper processes; answers what it says first after hearing `settings`. */
export async function startHelper(file, settings) {
  const child = fork(join(here, file), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  child.send(settings);
  const answer = await new Promise((resolve, reject) => {
    child.once('message', resolve);
    child.once('exit', (code) => reject(new Error(`${file} ended with ${code}`)));
  });
  return { ...answer, pid: child.pid, stop: () => stop(child) };
}

/** The load generator. `measure` runs one job; `onReady` is called when preparation is over and the load begins. */
export function startLoader() {
  const child = fork(join(here, 'load.mjs'), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  return {
    stop: () => stop(child),
    measure: (job, onReady) =>
      new Promise((resolve, reject) => {
        const failed = (code) => reject(new Error(`the load generator ended with ${code}`));
        child.once('exit', failed);
        child.on('message', function receive({ ready, result, error }) {
          if (ready) return onReady();
          child.off('message', receive).off('exit', failed);
          if (error) reject(new Error(`${job.scenario} on ${job.target.origin}: ${error}`));
          else resolve(result);
        });
        child.send(job);
      }),
  };
}

/** The service as anybody starts it. Answers once discovery says 200, with the milliseconds that took. */
export async function startService(environment, nodeOptions = []) {
  const began = performance.now();
  const child = spawn(process.execPath, [...nodeOptions, join(root, 'dist/main.js')], {
    cwd: root,
    // Nothing of this machine's own settings.
    env: { PATH: process.env.PATH, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      said = `${said}${text}`.slice(-4000);
    });
  }
  for (;;) {
    if (child.exitCode !== null) throw new Error(`the service ended with ${child.exitCode}:\n${said}`);
    if ((await askDiscovery(environment)) === 200) break;
    if (performance.now() - began > 60_000) throw new Error(`the service does not answer:\n${said}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return { pid: child.pid, milliseconds: performance.now() - began, stop: () => stop(child), said: () => said };
}

/** The status, or nothing. Asked is this node, of which there may be several. */
function askDiscovery({ ISSUER, PORT }) {
  const headers = { host: new URL(ISSUER).host };
  return new Promise((resolve) => {
    get({ host: '127.0.0.1', port: PORT, path: '/.well-known/openid-configuration', headers, agent: false }, (answer) =>
      answer.resume().on('close', () => resolve(answer.statusCode)),
    ).on('error', () => resolve(undefined));
  });
}

function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  return ended;
}
