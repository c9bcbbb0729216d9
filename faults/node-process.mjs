import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** Milliseconds. A busy machine has taken a minute to open an embedded database after a crash. */
const PATIENCE = 180_000;
const running = new Set();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Preloaded modules, as arguments for node. */
export const preload = (name) => ['--import', new URL(`./preload/${name}.mjs`, import.meta.url).href];

/**
 * A node of the service as `npm start` makes it of `dist/`, that can be killed and started again.
 * `arguments`: for node itself, such as `preload('kill')`; `environment`: nothing of this machine's own settings is passed on;
 * `release`: the directory of another one than this.
 */
export function createNode({ name, environment, nodeArguments = [], log, release = root }) {
  const port = Number(environment.PORT);
  const metricsPort = Number(environment.DAEMUN_METRICS_PORT);
  let child;
  let gone = Promise.resolve();
  let said = '';
  let ready = false;

  function spawnIt(more = {}) {
    said = '';
    ready = false;
    child = spawn(process.execPath, [...nodeArguments, join(release, 'dist/main.js')], {
      cwd: release,
      env: { PATH: process.env.PATH, ...environment, ...more },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    const mine = child;
    running.add(mine);
    gone = new Promise((resolve) =>
      mine.once('close', (code, signal) => {
        running.delete(mine);
        resolve({ code, signal });
      }),
    );
    for (const stream of [mine.stdout, mine.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        said = `${said}${text}`.slice(-20_000);
        log?.(name, text);
      });
    }
    // Telling something to a process that is being killed.
    mine.on('error', () => {});
  }

  const isRunning = () => child !== undefined && child.exitCode === null && child.signalCode === null;

  return {
    name,
    port,
    metricsPort,
    isRunning,
    isReady: () => ready && isRunning(),
    said: () => said,
    pid: () => child?.pid,
    /** @param more variables for this start only. @throws Error when it ends, or is not ready in time */
    async start(more) {
      spawnIt(more);
      const deadline = Date.now() + PATIENCE;
      while (!said.includes('is ready at')) {
        if (!isRunning()) throw new Error(`${name} ended before it was ready: ${said.slice(-2_000)}`);
        if (Date.now() > deadline) throw new Error(`${name} was not ready in time: ${said.slice(-2_000)}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      ready = true;
    },
    /** Without waiting for anything. */
    launch: spawnIt,
    gone: () => gone,
    async kill() {
      child?.kill('SIGKILL');
      await gone;
    },
    signal: (signal) => child?.kill(signal),
    /** Answers the exit code, or the signal that it took. */
    async stop() {
      if (!isRunning()) return gone;
      child.kill('SIGTERM');
      return gone;
    },
    /** Asks the preloaded module, and waits for its answer. Undefined when the process is gone. */
    ask(question) {
      return new Promise((resolve) => {
        if (!isRunning()) return resolve(undefined);
        const answer = (message) => {
          child.off('message', answer);
          resolve(message);
        };
        child.on('message', answer);
        gone.then(() => resolve(undefined));
        child.send(question, (error) => error && resolve(undefined));
      });
    },
  };
}
