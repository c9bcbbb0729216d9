import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createLogger } from '../../../src/platform/logger.ts';
import { noMetrics } from '../../../src/platform/metrics.ts';
import { startScheduler } from '../../../src/platform/scheduler/scheduler.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { runChild } from '../database/child.ts';
import { eventually } from '../outbox/node.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

test('while one node is at it no other is, for however long; when that one is killed, another goes on', async () => {
  const victim = runChild('../scheduler/hang.script.ts', database.url!);
  let runs = 0;
  const run = async () => {
    runs += 1;
  };
  try {
    await victim.saw('begun');
    const logger = createLogger({ level: 'silent', production: true });
    const jobs = [{ name: 'work', every: 0.1, run }];
    const scheduler = startScheduler({ database, jobs, logger, metrics: noMetrics, lease: 6 });
    // Longer than the lease: the other one says that it is still there.
    await new Promise((resolve) => setTimeout(resolve, 7_000));
    expect(runs).toBe(0);
    await victim.kill();
    await eventually(() => runs > 0);
    await scheduler.close();
  } finally {
    await victim.kill();
  }
});
