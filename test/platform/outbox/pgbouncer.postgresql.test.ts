import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Database, openDatabase } from '../../../src/platform/database/database.ts';
import { createLogger } from '../../../src/platform/logger.ts';
import { noMetrics } from '../../../src/platform/metrics.ts';
import { startScheduler } from '../../../src/platform/scheduler/scheduler.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { findProgram } from '../../support/deployed-service.ts';
import { type Pgbouncer, startPgbouncer } from '../../support/pgbouncer.ts';
import { add, eventually, letter, startNode } from './node.ts';

const program = findProgram('pgbouncer');
/** On a machine that was prepared for it nothing may be left out. */
const behindPgbouncer = program || process.env.CI === 'true' ? describe : describe.skip;

behindPgbouncer('two nodes behind PgBouncer in transaction mode, which has three connections for both', () => {
  let direct: TestDatabase;
  let pgbouncer: Pgbouncer;
  let nodes: [Database, Database];

  beforeAll(async () => {
    direct = await openTestDatabase();
    pgbouncer = await startPgbouncer(program!, direct.url!);
    const url = pgbouncer.through(direct.url!);
    const open = () => openDatabase({ kind: 'postgresql', url, poolSize: 5, pooler: {} });
    nodes = [await open(), await open()];
  });
  afterAll(async () => {
    for (const node of nodes ?? []) await node.close();
    await pgbouncer?.close();
    await direct?.close();
  });

  test('deliver each effect once', async () => {
    const delivered: string[] = [];
    const handlers = {
      letter: {
        async deliver({ target }: { target: string }) {
          delivered.push(target);
          return { kind: 'delivered' as const };
        },
      },
    };
    const [one, two] = nodes.map((database) => startNode(database, handlers));
    const targets = Array.from({ length: 40 }, (_, number) => `person${number}@example.com`);
    await Promise.all(
      targets.map((target, number) => add(nodes[number % 2]!, (number % 2 ? two! : one!).outbox, letter({ target }))),
    );
    await eventually(async () => {
      const effects = await one!.outbox.list({ onlyDead: false, limit: 100 });
      return effects.filter(({ state }) => state === 'delivered').length === targets.length;
    });
    for (const node of [one!, two!]) await node.close();
    expect(delivered.toSorted()).toEqual(targets.toSorted());
  });

  test('take turns at scheduled work and are never at it at once', async () => {
    let [running, most, runs] = [0, 0, 0];
    const run = async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setTimeout(resolve, 10));
      running -= 1;
      runs += 1;
    };
    const logger = createLogger({ level: 'silent', production: true });
    const schedulers = nodes.map((database) =>
      startScheduler({ database, jobs: [{ name: 'pooled', every: 0.05, run }], logger, metrics: noMetrics }),
    );
    await eventually(() => runs >= 10);
    for (const scheduler of schedulers) await scheduler.close();
    expect(most).toBe(1);
  });
});
