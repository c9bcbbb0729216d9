import cluster from 'node:cluster';
import { isMessage, type WorkerFigures, type WorkerMessage } from './messages.ts';

/** Milliseconds for an answer to a question. */
const ANSWERED = 5_000;
/** Questions in a row without an answer, after which it is killed: half a minute in which it did nothing at all. */
const UNANSWERED = 6;

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
  /** What it counts, or last said when it does not answer; undefined when it never did. */
  figures(): Promise<WorkerFigures | undefined>;
  lastFigures(): WorkerFigures | undefined;
}

export interface WorkerEnd {
  /** Such as `exit code 1` or `SIGKILL`. */
  how: string;
  code: number | null;
  /** Milliseconds that it answered requests. */
  served: number;
}

/**
 * Starts one more process of what `cluster.setupPrimary` names. `warn` is told when it hangs; then it is killed: round robin gives it
 * nothing new, but those whose connections it has would wait for ever, and nobody else would notice.
 */
export function startWorker(warn: (text: string) => void, answered = ANSWERED): RunningWorker {
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
      if (!isMessage(message, 'ready')) return;
      readyAt ??= performance.now();
      resolve(message.text);
    });
    void ended.then(({ how }) => reject(new Error(how)));
  });
  ready.catch(() => {});
  const kill = () => void worker.process.kill('SIGKILL');

  let asked = 0;
  let last: WorkerFigures | undefined;
  const answers = new Map<number, () => void>();
  worker.on('message', (message: unknown) => {
    if (!isMessage(message, 'answer')) return;
    last = message.figures ?? last;
    answers.get(message.number)?.();
  });

  /** Whether it answered. */
  async function ask(withFigures: boolean): Promise<boolean> {
    if (readyAt === undefined || !worker.isConnected()) return false;
    asked += 1;
    const number = asked;
    const answer = new Promise<boolean>((resolve) => {
      const impatience = setTimeout(resolve, answered, false);
      answers.set(number, () => {
        clearTimeout(impatience);
        resolve(true);
      });
    });
    worker.send({ daemun: 'ask', number, withFigures } satisfies WorkerMessage, () => {});
    return answer.finally(() => answers.delete(number));
  }

  // Counted and not measured: a machine that slept is no reason.
  let unanswered = 0;
  const pulse = setInterval(async () => {
    if (readyAt === undefined || !worker.isConnected()) return;
    unanswered = (await ask(false)) ? 0 : unanswered + 1;
    if (unanswered < UNANSWERED) return;
    clearInterval(pulse);
    warn(`Worker ${worker.process.pid} does not answer and is killed.`);
    kill();
  }, answered).unref();
  void ended.then(() => clearInterval(pulse));

  return {
    lastFigures: () => last,
    async figures() {
      await ask(true);
      return last;
    },
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
