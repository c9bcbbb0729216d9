import type { Database } from '../database/database.ts';
import type { Logger } from '../logger.ts';
import type { Metrics } from '../metrics.ts';
import { createJobLeases } from './job-leases.ts';

/** Work that is repeated, on one node at a time. */
export interface Job {
  /** The same on all nodes; letters, digits and hyphens. */
  name: string;
  /** Seconds from the end of one round to the beginning of the next. */
  every: number;
  /**
   * In small steps, each of which may be repeated: whoever was killed has left some of them undone, and whoever stood still for long
   * may find another node at it. `signal`: the turn is lost or the service stops, so do not begin another step.
   */
  run(signal: AbortSignal): Promise<unknown>;
}

export interface SchedulerOptions {
  database: Pick<Database, 'pool'>;
  jobs: readonly Job[];
  logger: Pick<Logger, 'debug' | 'info' | 'warn'>;
  metrics: Metrics;
  /** Seconds after which another node goes on in place of one that says nothing any more. */
  lease?: number;
}

export interface Scheduler {
  /** Lets the step that is under way come to its end, and hands the turn over. */
  close(): Promise<void>;
}

/** Milliseconds. A start has other things to do first. */
const FIRST_LOOK = 2_000;
/** Seconds without a look, so that somebody who changes the rows by hand is noticed. */
const LONGEST_WAIT = 60;

/** Every node runs one; for each job the database says whose turn it is. */
export function startScheduler({ database, jobs, logger, metrics, lease = 30 }: SchedulerOptions): Scheduler {
  const leases = createJobLeases(database.pool);
  const stop = new AbortController();
  const succeeded = new Map<string, number>();
  // Not `job`: that is what Prometheus itself calls the group of what it scrapes, and ours would be called `exported_job` there.
  const count = metrics.counter(
    'daemun_scheduled_runs_total',
    'Rounds of scheduled work on this node: done, failed, or lost to another node.',
    ['task', 'outcome'],
  );
  metrics.gauge(
    'daemun_scheduled_job_success_age_seconds',
    'How long ago a scheduled job last succeeded on any node, as this node knows it.',
    ['task'],
    (set) => {
      for (const [task, at] of succeeded) set((Date.now() - at) / 1000, { task });
    },
  );
  const loops = jobs.map((job) => {
    let timer: NodeJS.Timeout | undefined;
    let current: Promise<void> = Promise.resolve();
    const plan = (milliseconds: number) => {
      if (stop.signal.aborted) return;
      timer = setTimeout(() => {
        current = look(job).then((seconds) => plan(1000 * seconds * (1 + Math.random() / 10)));
      }, milliseconds).unref();
    };
    plan(Math.min(FIRST_LOOK, 1000 * job.every) * Math.random());
    return () => {
      clearTimeout(timer);
      return current;
    };
  });

  /** Seconds until the next look. Never throws. */
  async function look(job: Job): Promise<number> {
    try {
      const turn = await leases.take(job.name, lease);
      if (turn.isOurs) {
        await runOnce(job, turn.run);
        return Math.min(job.every, LONGEST_WAIT);
      }
      if (turn.succeededAgo !== undefined) succeeded.set(job.name, Date.now() - 1000 * turn.succeededAgo);
      return Math.min(Math.max(turn.wait, 0.1), LONGEST_WAIT);
    } catch (error) {
      logger.warn({ error, job: job.name }, 'whose turn a scheduled job is cannot be read; it is asked again later');
      return Math.min(job.every, lease / 2);
    }
  }

  async function runOnce(job: Job, run: number): Promise<void> {
    const { name, every } = job;
    const began = Date.now();
    const interruption = new AbortController();
    const interrupt = () => interruption.abort();
    stop.signal.addEventListener('abort', interrupt, { once: true });
    if (stop.signal.aborted) interrupt();
    let confirmed = performance.now();
    let isLost = false;
    const heartbeat = setInterval(
      async () => {
        const asked = performance.now();
        const isOurs = await leases.extend(name, run, lease).catch(() => undefined);
        if (isOurs) confirmed = asked;
        // Without an answer it is ours only for as long as it was given to us.
        if (isOurs === false || performance.now() - confirmed > 1000 * lease) {
          isLost = true;
          interrupt();
        }
      },
      (1000 * lease) / 3,
    ).unref();
    let failure: unknown;
    try {
      await job.run(interruption.signal);
    } catch (error) {
      failure = error ?? new Error('failed without saying why');
    } finally {
      clearInterval(heartbeat);
      stop.signal.removeEventListener('abort', interrupt);
    }
    const isWhole = !failure && !interruption.signal.aborted;
    const facts = { job: name, milliseconds: Date.now() - began };
    if (isWhole) {
      logger.debug(facts, 'scheduled work done');
      succeeded.set(name, Date.now());
    } else if (failure) logger.warn({ error: failure, ...facts }, 'scheduled work failed and is tried again later');
    else logger.info(facts, isLost ? 'scheduled work went on elsewhere' : 'scheduled work stopped with the service');
    count({ task: name, outcome: isWhole ? 'done' : failure ? 'failed' : 'lost' });
    // Where it was interrupted, the next one goes on at once. If this is not heard, they wait until the lease ends.
    const next = isWhole || failure ? every : 0;
    await leases.finish(name, run, { next, succeeded: isWhole });
  }

  return {
    async close() {
      stop.abort();
      await Promise.all(loops.map((close) => close()));
    },
  };
}
