import { setImmediate as turn } from 'node:timers/promises';
import { loadConfig } from '../dist/config/load.js';
import { openServices } from '../dist/services.js';
import { providers } from '../dist/upstreams/registry.js';
import { jwtResource } from './seed.mjs';

const BY = { actor: 'bench' };
const CALLERS = 8;
/** As many as a busy process has in one turn of its event loop. */
const CHECKS_PER_TURN = 16;

/**
 * What everything that is presented an API key calls: shape, checksum, what is remembered for half a second, and a statement for what is
 * not. One thread asks about all the keys in turn; latencies include the reads.
 */
export async function measureApiKeyCheck(environment, count, seconds) {
  const services = await openServices(
    loadConfig(providers, { ...environment, DAEMUN_API_KEYS_PER_OWNER: String(10 * count) }),
  );
  try {
    const keys = [];
    for (let index = 0; index < count; index++) keys.push(await createKey(services));
    const run = async (milliseconds) => {
      const latencies = [];
      const end = performance.now() + milliseconds;
      await Promise.all(
        Array.from({ length: CALLERS }, async (_, caller) => {
          for (let index = caller; performance.now() < end; index++) {
            const start = performance.now();
            const { kind } = await services.apiKeyCheck.check(keys[index % count], { resource: jwtResource });
            latencies.push(performance.now() - start);
            if (kind !== 'valid') throw new Error('a good key was refused');
            if (index % CHECKS_PER_TURN === 0) await turn();
          }
        }),
      );
      return latencies.sort((a, b) => a - b);
    };
    await run(1_000);
    const before = process.cpuUsage();
    const latencies = await run(seconds * 1_000);
    const { user, system } = process.cpuUsage(before);
    const at = (share) => latencies[Math.floor(latencies.length * share)];
    return {
      perSecond: latencies.length / seconds,
      perBusySecond: (1_000_000 * latencies.length) / (user + system),
      p50: at(0.5),
      p99: at(0.99),
    };
  } finally {
    await services.close();
  }
}

async function createKey({ apiKeys }) {
  const input = { name: 'Bench', access: { [jwtResource]: [] } };
  const outcome = await apiKeys.create({ kind: 'system' }, input, { as: 'administrator' }, BY);
  if (outcome.kind !== 'created') throw new Error(`seeding: ${JSON.stringify(outcome)}`);
  return outcome.value.reveal();
}
