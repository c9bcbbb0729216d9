// One node of the scheduler whose only job begins and never ends.
import { openDatabase } from '../../../src/platform/database/database.ts';
import { createLogger } from '../../../src/platform/logger.ts';
import { noMetrics } from '../../../src/platform/metrics.ts';
import { startScheduler } from '../../../src/platform/scheduler/scheduler.ts';

const [url] = process.argv.slice(2) as [string];
const database = await openDatabase({ kind: 'postgresql', url });
const run = () => {
  process.stdout.write('begun\n');
  return new Promise(() => {});
};
const logger = createLogger({ level: 'silent', production: true });
startScheduler({ database, jobs: [{ name: 'work', every: 0.1, run }], logger, metrics: noMetrics, lease: 6 });
setInterval(() => {}, 60_000);
