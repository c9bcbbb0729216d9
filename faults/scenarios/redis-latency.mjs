import { freePort } from '../../scripts/free-port.mjs';
import { findRedis, startRedis } from '../redis.mjs';
import { startSteadyLoad } from '../steady-load.mjs';

const RATE = 50;
const ROUNDS = 3;
/** What may be added to the 99th percentile, and until when a node has to have seen that nobody answers. Milliseconds. */
const ADDED = 50;
const NOTICED = 200;
const GIVE_UP = 10_000;

/**
 * What Redis costs when it hangs and when it is gone, in turn with when it is there, so that a neighbour of this machine meets all
 * alike. The load is steady and moderate: half of what is measured here would be a queue otherwise.
 */
export const redisLatency = {
  name: 'redis-latency',
  title: `what a hung Redis, and none, add to p99 (${ADDED} ms at most), and when nodes notice (${NOTICED} ms)`,
  seconds: 96,
  async run(open, { seconds }) {
    const binary = findRedis();
    if (!binary) return { skipped: 'Redis is not installed' };
    const port = await freePort();
    const world = await open({
      people: 24,
      environment: { REDIS_URL: `redis://127.0.0.1:${port}` },
      withMetrics: true,
    });
    const redis = await startRedis(binary, world.folder, port);
    world.closing.push(redis.close);
    await world.startAll();
    const { nodes, history } = world;
    const there = { begin: () => {}, end: () => {}, isAlone: false };
    const phases = [
      { name: 'there', ...there },
      { name: 'hung', begin: redis.hang, end: redis.goOn, isAlone: true },
      { name: 'there again', ...there },
      { name: 'gone', begin: redis.kill, end: redis.start, isAlone: true },
    ];
    const waits = Object.fromEntries(phases.map(({ name }) => [name, []]));
    const noticed = { hung: 0, gone: 0 };
    let phase;
    const load = await startSteadyLoad(world, {
      rate: RATE,
      documents: 0,
      observe: (wait) => phase && waits[phase].push(wait),
    });
    await untilAll(nodes, false);
    await pause(2_000);
    for (let round = 0; round < ROUNDS; round++) {
      for (const { name, begin, end, isAlone } of phases) {
        history.note = name;
        phase = name;
        const began = performance.now();
        const begun = begin();
        if (isAlone) noticed[name] = Math.max(noticed[name], (await untilAll(nodes, true)) - began);
        await begun;
        await pause((seconds * 1_000) / ROUNDS / phases.length - (performance.now() - began));
        phase = undefined;
        await end();
        await untilAll(nodes, false);
      }
    }
    const { rate } = await load.stop();
    history.note = undefined;
    const figures = Object.fromEntries(Object.entries(waits).map(([name, all]) => [name, percentiles(all)]));
    const shown = Object.entries(figures)
      .map(([name, { p50, p99, count }]) => `${name} p50 ${p50.toFixed(1)} p99 ${p99.toFixed(1)} ms (${count})`)
      .join(', ');
    const seen = `${shown}; noticed within ${noticed.hung.toFixed(0)} and ${noticed.gone.toFixed(0)} ms, ${rate.toFixed(0)} a second`;
    const [first, second] = [figures.there.p99, figures['there again'].p99];
    // What differs by so much by itself says nothing, and a node that has too much to do refuses some.
    if (Math.abs(first - second) > ADDED / 2) return { skipped: `this machine is too busy to tell: ${seen}` };
    for (const name of ['hung', 'gone']) {
      const added = figures[name].p99 - Math.max(first, second);
      if (added > ADDED) world.violation(`${name}, it adds ${added.toFixed(0)} ms to p99: ${ADDED} are allowed`);
      if (noticed[name] > NOTICED) {
        world.violation(`${noticed[name].toFixed(0)} ms until both nodes went on without what was ${name}`);
      }
    }
    return { world, seen };
  },
};

/** Until every node goes on without Redis, or none does. Answers when the last one was seen to. */
async function untilAll(nodes, isAlone) {
  const deadline = performance.now() + GIVE_UP;
  const times = await Promise.all(
    nodes.map(async ({ name, metricsPort }) => {
      for (;;) {
        const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
        if (/^daemun_redis_breaker_open 1$/m.test(text) === isAlone) return performance.now();
        if (performance.now() > deadline)
          throw new Error(`${name} does not notice that Redis is ${isAlone ? 'gone' : 'back'}`);
        await pause(20);
      }
    }),
  );
  return Math.max(...times);
}

function percentiles(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  return { p50: at(0.5), p99: at(0.99), count: sorted.length };
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, Math.max(0, milliseconds)));
