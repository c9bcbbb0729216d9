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

async function run({ scenario: name, target, connections, seconds }) {
  const scenario = scenarios.find((one) => one.name === name);
  const key = `${name} ${target.origin}`;
  const workers = await Promise.all(
    Array.from({ length: scenario.connections ?? connections }, async (_, index) => {
      const connection = openConnection(target.origin);
      return { connection, state: kept.get(key)?.[index] ?? (await scenario.prepare(connection, target, index)) };
    }),
  );
  kept.set(
    key,
    workers.map(({ state }) => state),
  );
  // Only now does the clock of the caller start: preparation is not measured.
  await process.send({ ready: true });
  const latencies = [];
  const start = performance.now();
  const end = start + seconds * 1000;
  await Promise.all(
    workers.map(async ({ connection, state }) => {
      for (let begin = performance.now(); begin < end; ) {
        await scenario.iterate(connection, state);
        const now = performance.now();
        latencies.push(now - begin);
        begin = now;
      }
    }),
  );
  const elapsed = performance.now() - start;
  for (const { connection } of workers) connection.close();
  latencies.sort((a, b) => a - b);
  const at = (share) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))];
  return { iterations: latencies.length, perSecond: latencies.length / (elapsed / 1000), p50: at(0.5), p99: at(0.99) };
}
