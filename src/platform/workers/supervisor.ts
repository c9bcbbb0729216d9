import cluster from 'node:cluster';
import { setTimeout as pause } from 'node:timers/promises';
import { OperatorError } from '../operator-error.ts';
import type { WorkerFigures } from './messages.ts';
import { type RunningWorker, startWorker } from './running-worker.ts';

/** Milliseconds of service after which an end is an accident and not a sign that it cannot work. */
const SETTLED = 10_000;
const FIRST_PAUSE = 250;
const LONGEST_PAUSE = 10_000;
/** Starts that failed, one after the other, while nobody answers. */
const HOPELESS = 5;
/** Milliseconds for a worker to get ready, the first one excepted, which may have a large database to migrate. */
const START_PATIENCE = 120_000;

export interface SupervisorOptions {
  count: number;
  /** The file that each worker runs. */
  script: string;
  /** Milliseconds for a worker to end. */
  stopPatience: number;
  /** Milliseconds for a worker to get ready, the first one excepted. Longer, and it is killed. */
  startPatience?: number;
  /** Milliseconds for a worker to say that it is there. */
  answered?: number;
  warn(text: string): void;
}

export interface Supervisor {
  /** What the first one said when it was ready. The others start after it, since it may have a database to prepare. */
  start(): Promise<string>;
  /** Rejects when there is no hope left. */
  hopeless: Promise<never>;
  /**
   * Puts new processes in the place of the old ones, one by one: each goes when its successor answers, and stays where that does not
   * get ready. Asked meanwhile, it goes round again.
   */
  replaceAll(): Promise<void>;
  /** The highest exit code. */
  stop(): Promise<number>;
  killAll(): void;
  figures(): { ready: number; restarts: number };
  /** What each worker counts, those included that ended since this was asked last. */
  figuresOfWorkers(): Promise<{ present: WorkerFigures[]; ended: WorkerFigures[] }>;
}

/** Keeps a number of processes running that share one port, by round robin. */
export function createSupervisor(options: SupervisorOptions): Supervisor {
  const { count, script, stopPatience, startPatience = START_PATIENCE, answered, warn } = options;
  const places: (RunningWorker | undefined)[] = Array.from({ length: count });
  const leaving = new Set<RunningWorker>();
  let last: WorkerFigures[] = [];
  const alarm = new AbortController();
  let failures = 0;
  let restarts = 0;
  let replacing: Promise<void> | undefined;
  let isAskedAgain = false;
  let giveUp!: (error: Error) => void;
  const hopeless = new Promise<never>((_, reject) => {
    giveUp = reject;
  });
  hopeless.catch(() => {});
  let begin!: () => void;
  const started = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const isStopping = () => alarm.signal.aborted;

  function launch(): RunningWorker {
    const worker = startWorker(warn, answered);
    void worker.ended.then(() => {
      const figures = worker.lastFigures();
      if (figures) last.push(figures);
    });
    worker.ready.then(
      () => {
        failures = 0;
      },
      () => {},
    );
    return worker;
  }

  /** As `launch`, for one that has nothing to prepare: what does not get ready would be waited for for ever. */
  function launchSoon(): RunningWorker {
    const worker = launch();
    const impatience = setTimeout(() => {
      warn(`Worker ${worker.pid} was not ready within ${startPatience / 1000} s and is killed.`);
      worker.kill();
    }, startPatience);
    const calm = () => clearTimeout(impatience);
    worker.ready.then(calm, calm);
    return worker;
  }

  /** A place is never empty for long. */
  async function keep(place: number): Promise<void> {
    while (!isStopping()) {
      places[place] ??= launchSoon();
      const worker = places[place];
      const { how, served } = await worker.ended;
      if (isStopping()) return;
      if (places[place] !== worker) continue;
      places[place] = undefined;
      restarts += 1;
      if (served === 0) failures += 1;
      if (failures >= HOPELESS && !places.some((other) => other?.isReady())) {
        return giveUp(new OperatorError(`No worker starts: the last ${failures} ended before they were ready.`));
      }
      const wait = served >= SETTLED ? 0 : Math.min(FIRST_PAUSE * 2 ** failures, LONGEST_PAUSE);
      warn(`Worker ${worker.pid} ended (${how}); another takes its place${wait ? ` in ${wait} ms` : ''}.`);
      await pause(wait, undefined, { signal: alarm.signal }).catch(() => {});
    }
  }

  async function stopOne(worker: RunningWorker, isReplaced: boolean): Promise<number> {
    leaving.add(worker);
    const wasReady = worker.isReady();
    const { code, how } = await worker
      .stop({ patience: stopPatience, isReplaced })
      .finally(() => leaving.delete(worker));
    if (code === 0 || (!wasReady && how === 'SIGTERM')) return 0;
    warn(`Worker ${worker.pid} did not end as it should (${how}).`);
    return 1;
  }

  async function replaceOne(place: number): Promise<boolean> {
    const successor = launchSoon();
    leaving.add(successor);
    try {
      await successor.ready;
    } catch (error) {
      if (!isStopping()) {
        warn(`A new worker did not start (${(error as Error).message}): the old ones are left as they are.`);
      }
      return false;
    } finally {
      leaving.delete(successor);
    }
    const old = places[place];
    places[place] = successor;
    if (old) await stopOne(old, true);
    return !isStopping();
  }

  async function replaceWhileAsked(): Promise<void> {
    // A database may be prepared just now, and its end would be taken for a start that failed.
    await started;
    while (isAskedAgain) {
      isAskedAgain = false;
      for (const place of places.keys()) {
        if (isStopping()) return;
        if (!(await replaceOne(place))) break;
      }
    }
  }

  return {
    hopeless,
    async start() {
      cluster.schedulingPolicy = cluster.SCHED_RR;
      cluster.setupPrimary({ exec: script, args: [] });
      const first = launch();
      places[0] = first;
      let text: string;
      try {
        text = await first.ready;
      } catch (cause) {
        // It has said why.
        throw new OperatorError('The first worker did not start.', cause);
      }
      for (const place of places.keys()) void keep(place);
      begin();
      await Promise.allSettled(places.map((worker) => worker?.ready));
      return text;
    },
    replaceAll() {
      // What changed since is not known to those that were replaced already.
      isAskedAgain = true;
      replacing ??= replaceWhileAsked().finally(() => {
        replacing = undefined;
      });
      return replacing;
    },
    async stop() {
      alarm.abort();
      const all = new Set([...places, ...leaving].filter((worker) => worker !== undefined));
      return Math.max(0, ...(await Promise.all([...all].map((worker) => stopOne(worker, false)))));
    },
    killAll() {
      for (const worker of [...places, ...leaving]) worker?.kill();
    },
    async figuresOfWorkers() {
      const all = [...places, ...leaving].filter((worker) => worker !== undefined);
      const present = await Promise.all(all.map(async (worker) => ({ worker, figures: await worker.figures() })));
      // One that ended meanwhile is among the ended.
      const ended = last;
      last = [];
      const isEnded = new Set(ended);
      return {
        present: present.flatMap(({ figures }) => (figures && !isEnded.has(figures) ? [figures] : [])),
        ended,
      };
    },
    figures: () => ({ ready: places.filter((worker) => worker?.isReady()).length, restarts }),
  };
}
