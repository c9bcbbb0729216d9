// The load generator: a process of its own, so that its work is not counted as the server's. Told by IPC what to run.
import { openConnection } from './connection.mjs';
import { scenarios } from './scenarios.mjs';

/** What each worker keeps between rounds: tokens, cookies. By scenario and side. */
const kept = new Map();

process.on('message', (job) => {
  run(job).then(
    (result) => process.send({ result }),
    (error) => process.send({ error: error.stack }),
  );
});

/**
 * `at`: the node to ask, if not the one at the origin. `rate`: iterations a second in all, begun at their time whether the ones before
 * are answered or not; otherwise one after the other.
 */
async function run({ scenario: name, target, at = target.origin, connections, seconds, rate, change }) {
  const scenario = scenarios.find((one) => one.name === name);
  const key = `${name} ${at} ${connections} ${change ? Object.values(change)[0].length : ''}`;
  const workers = await Promise.all(
    Array.from({ length: connections }, async (_, index) => {
      const connection = openConnection(target.origin, at);
      return {
        connection,
        state: kept.get(key)?.[index] ?? (await scenario.prepare(connection, { ...target, ...change }, index)),
      };
    }),
  );
  kept.set(
    key,
    workers.map(({ state }) => state),
  );
  // Only now does the clock of the caller start: preparation is not measured.
  await process.send({ ready: true });
  const latencies = [];
  const statuses = {};
  const start = performance.now();
  const end = start + seconds * 1000;
  await Promise.all(
    workers.map(async ({ connection, state }, index) => {
      for (let turn = 0, begin = performance.now(); begin < end; turn++) {
        if (rate) {
          // Whoever is late counts from when it should have begun.
          begin = start + ((turn * workers.length + index) * 1000) / rate;
          if (begin >= end) break;
          await new Promise((resolve) => setTimeout(resolve, Math.max(0, begin - performance.now())));
        }
        const status = await scenario.iterate(connection, state);
        if (status) statuses[status] = (statuses[status] ?? 0) + 1;
        const now = performance.now();
        latencies.push(now - begin);
        begin = now;
      }
    }),
  );
  const elapsed = performance.now() - start;
  for (const { connection } of workers) connection.close();
  latencies.sort((a, b) => a - b);
  const percentile = (share) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))];
  return {
    iterations: latencies.length,
    perSecond: latencies.length / (elapsed / 1000),
    p50: percentile(0.5),
    p99: percentile(0.99),
    statuses,
  };
}
