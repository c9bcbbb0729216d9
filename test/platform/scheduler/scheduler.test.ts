import { Writable } from 'node:stream';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { Database } from '../../../src/platform/database/database.ts';
import { createLogger } from '../../../src/platform/logger.ts';
import { createMetrics, type Metrics, noMetrics } from '../../../src/platform/metrics.ts';
import { createJobLeases, type JobLeases } from '../../../src/platform/scheduler/job-leases.ts';
import { type Job, type Scheduler, startScheduler } from '../../../src/platform/scheduler/scheduler.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { eventually } from '../outbox/node.ts';

let database: TestDatabase;
let other: Database;
let leases: JobLeases;
let schedulers: Scheduler[] = [];
let lines: Record<string, unknown>[];
let metrics: Metrics;
beforeAll(async () => {
  database = await openTestDatabase();
  other = await database.connect();
  leases = createJobLeases(database.pool);
});
afterAll(() => database.close());
beforeEach(async () => {
  await database.pool.query('DELETE FROM scheduled_jobs');
  lines = [];
  metrics = await createMetrics();
});
afterEach(async () => {
  for (const scheduler of schedulers) await scheduler.close();
  schedulers = [];
});

function start(
  on: Database,
  run: Job['run'],
  { every = 0.05, lease = 30, figures = schedulers.length === 0 ? metrics : noMetrics } = {},
): Scheduler {
  const destination = new Writable({
    write(chunk, _encoding, done) {
      lines.push(JSON.parse(String(chunk)));
      done();
    },
  });
  const logger = createLogger({ level: 'debug', production: true, destination });
  const scheduler = startScheduler({
    database: on,
    jobs: [{ name: 'work', every, run }],
    logger,
    metrics: figures,
    lease,
  });
  schedulers.push(scheduler);
  return scheduler;
}

/** As if the last round were long ago. */
const makeDue = () => database.pool.query('UPDATE scheduled_jobs SET due_at = now()');

test('two nodes take turns and are never at it at once', async () => {
  let running = 0;
  let most = 0;
  let runs = 0;
  const run = async () => {
    running += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => setTimeout(resolve, 10));
    running -= 1;
    runs += 1;
  };
  start(database, run);
  start(other, run);
  await eventually(() => runs >= 10);
  expect(most).toBe(1);
});

test('a round is due once on all nodes together, and the next one only after the interval', async () => {
  let runs = 0;
  const run = async () => {
    runs += 1;
  };
  start(database, run, { every: 3600 });
  start(other, run, { every: 3600 });
  await eventually(() => runs > 0);
  await eventually(async () => {
    const turn = await leases.take('work', 1);
    return !turn.isOurs && turn.wait > 3_500 && turn.succeededAgo !== undefined;
  });
  expect(runs).toBe(1);
  await schedulers[0]!.close();
  await schedulers[1]!.close();
  // A node that starts later keeps to it.
  let asked = 0;
  const pool = {
    query(...order: [string, unknown[]]) {
      asked += 1;
      return database.pool.query(...order);
    },
  };
  const figures = await createMetrics();
  start({ ...database, pool: pool as never }, run, { every: 3600, figures });
  await eventually(() => asked >= 2);
  expect(runs).toBe(1);
  // It did not do it itself, and knows when it was done.
  await eventually(async () =>
    /daemun_scheduled_job_success_age_seconds\{task="work"\} \d/.test((await figures.exposition()).text),
  );
});

test('what fails is logged, counted, and comes again', async () => {
  let runs = 0;
  start(database, async () => {
    runs += 1;
    if (runs === 1) throw new Error('no luck');
  });
  await eventually(() => runs >= 3);
  expect(lines).toContainEqual(
    expect.objectContaining({ level: 'warn', job: 'work', error: expect.objectContaining({ message: 'no luck' }) }),
  );
  expect(lines).toContainEqual(expect.objectContaining({ level: 'debug', job: 'work', msg: 'scheduled work done' }));
  const { text } = await metrics.exposition();
  expect(text).toContain('daemun_scheduled_runs_total{task="work",outcome="failed"} 1');
  expect(text).toMatch(/daemun_scheduled_runs_total\{task="work",outcome="done"\} \d/);
});

test('a node that vanished is waited for until its lease ends, and what it says later does not count', async () => {
  let gone = await leases.take('work', 3600);
  // Times are rounded to milliseconds: what is due now may be due in a moment.
  await eventually(async () => {
    if (!gone.isOurs) gone = await leases.take('work', 3600);
    return gone.isOurs;
  });
  let runs = 0;
  const run = async () => {
    runs += 1;
  };
  expect(await leases.take('work', 3600)).toMatchObject({ isOurs: false });
  await database.pool.query('UPDATE scheduled_jobs SET lease_until = now()');
  start(database, run, { every: 3600 });
  await eventually(() => runs === 1);
  const { run: number } = gone as { run: number };
  expect(await leases.extend('work', number, 30)).toBe(false);
  await leases.finish('work', number, { next: 0, succeeded: true });
  expect(await leases.take('work', 1)).toMatchObject({ isOurs: false });
});

test('work that lost its turn is told to stop, and does not say when the next round is', async () => {
  let isTold = false;
  let runs = 0;
  start(
    database,
    async (signal) => {
      runs += 1;
      if (runs > 1) return;
      // As after a long standstill: the lease is over, and somebody else's turn has begun.
      await database.pool.query(`UPDATE scheduled_jobs SET runs = runs + 1, lease_until = now() + interval '1 hour'`);
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      isTold = true;
    },
    { lease: 0.3, every: 3600 },
  );
  await eventually(() => isTold);
  await eventually(() => lines.some(({ msg }) => msg === 'scheduled work went on elsewhere'));
  expect(await leases.take('work', 1)).toMatchObject({ isOurs: false });
  expect((await metrics.exposition()).text).toContain('daemun_scheduled_runs_total{task="work",outcome="lost"} 1');
});

test('a node that stops waits for the step that it is at and hands the turn over', async () => {
  let steps = 0;
  const scheduler = start(
    database,
    async (signal) => {
      while (!signal.aborted) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        steps += 1;
      }
    },
    { every: 3600 },
  );
  await eventually(() => steps > 0);
  await scheduler.close();
  const after = steps;
  let runs = 0;
  start(other, async () => {
    runs += 1;
  });
  await eventually(() => runs > 0);
  expect(steps).toBe(after);
});

test('a database that is away stops nobody for good', async () => {
  let isAway = true;
  let runs = 0;
  const pool = {
    query(...order: [string, unknown[]]) {
      return isAway ? Promise.reject(new Error('away')) : database.pool.query(...order);
    },
  };
  start({ ...database, pool: pool as never }, async () => {
    runs += 1;
  });
  await eventually(() => lines.some(({ msg }) => String(msg).includes('cannot be read')));
  isAway = false;
  await makeDue();
  await eventually(() => runs > 0);
});
