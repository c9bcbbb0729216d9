import cluster from 'node:cluster';
import { isReady, type WorkerMessage } from './messages.ts';

export interface RunningWorker {
  pid: number | undefined;
  /** What it says when it answers requests. Rejects when it ended before. */
  ready: Promise<string>;
  isReady(): boolean;
  /** How it ended. Never rejects. */
  ended: Promise<WorkerEnd>;
  /** Lets it finish what it has begun; after `patience` milliseconds it is killed. */
  stop(how: { patience: number; isReplaced: boolean }): Promise<WorkerEnd>;
  kill(): void;
}

export interface WorkerEnd {
  /** Such as `exit code 1` or `SIGKILL`. */
  how: string;
  code: number | null;
  /** Milliseconds that it answered requests. */
  served: number;
}

/** Starts one more process of what `cluster.setupPrimary` names. */
export function startWorker(): RunningWorker {
  const worker = cluster.fork();
  let readyAt: number | undefined;
  const ended = new Promise<WorkerEnd>((resolve) => {
    const end = (how: string, code: number | null) =>
      resolve({ how, code, served: readyAt === undefined ? 0 : performance.now() - readyAt });
    worker.once('exit', (code: number | null, signal: string | null) => end(signal ?? `exit code ${code}`, code));
    worker.on('error', (error) => {
      // One that could not even be started never exits.
      if (worker.process.pid === undefined) end(error.message, null);
    });
  });
  const ready = new Promise<string>((resolve, reject) => {
    worker.on('message', (message: unknown) => {
      if (!isReady(message)) return;
      readyAt ??= performance.now();
      resolve(message.text);
    });
    void ended.then(({ how }) => reject(new Error(how)));
  });
  ready.catch(() => {});
  const kill = () => void worker.process.kill('SIGKILL');
  return {
    pid: worker.process.pid,
    ready,
    isReady: () => readyAt !== undefined && !worker.isDead(),
    ended,
    kill,
    async stop({ patience, isReplaced }) {
      const impatience = setTimeout(kill, patience);
      if (readyAt === undefined || !worker.isConnected()) worker.process.kill('SIGTERM');
      else worker.send({ daemun: 'stop', isReplaced } satisfies WorkerMessage, () => {});
      return ended.finally(() => clearTimeout(impatience));
    },
  };
}
