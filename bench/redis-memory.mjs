import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findRedis, startRedis } from '../faults/redis.mjs';
import { freePort } from '../scripts/free-port.mjs';

const CONNECTIONS = 4;
/** Shorter than a minute: what is kept for a minute is all there when it is read. */
const SECONDS = 40;
const MANY = 100_000;
const MIB = 2 ** 20;
/** Until what is kept for a minute is gone, and was swept. */
const PATIENCE_MS = 120_000;

/**
 * What Redis keeps of people who sign in, each from an address of their own, and refresh once: counters that live for a minute. So what
 * it keeps of 100,000 is that of one, times 100,000, if all came within one minute, and less in any other case.
 */
export async function measureRedisMemory({ withService, once }) {
  const binary = findRedis();
  if (!binary) return { 'not measured': 'Redis is not installed' };
  const folder = mkdtempSync(join(tmpdir(), 'daemun-bench-redis-'));
  const redis = await startRedis(binary, folder, await freePort());
  try {
    const variables = { REDIS_URL: redis.url, TRUSTED_PROXIES: '127.0.0.1/32' };
    return await withService(variables, async () => {
      // Connected, and each counter used, before anything is read.
      await once('sign-in-elsewhere', 'service', { connections: CONNECTIONS, seconds: 2 });
      await redis.flush();
      const before = await usedBy(redis);
      const { iterations } = await once('sign-in-elsewhere', 'service', { connections: CONNECTIONS, seconds: SECONDS });
      // Counts of large limits are told once a second.
      await pause(1_500);
      const after = await usedBy(redis);
      const bytes = (after.bytes - before.bytes) / iterations;
      return {
        'sign-ins': iterations,
        keys: after.keys,
        'bytes each': bytes,
        'MiB for 100,000': (bytes * MANY) / MIB,
        'peak of this run, MiB': after.peak / MIB,
        'keys of it two minutes later': (await untilGone(redis)).keys,
      };
    });
  } finally {
    await redis.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function usedBy(redis) {
  const figure = async (section, name) =>
    Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(await redis.ask(`INFO ${section}`))[1]);
  return {
    bytes: await figure('memory', 'used_memory'),
    peak: await figure('memory', 'used_memory_peak'),
    keys: Number((await redis.ask('DBSIZE')).slice(1)),
  };
}

async function untilGone(redis) {
  for (const deadline = Date.now() + PATIENCE_MS; ; ) {
    const used = await usedBy(redis);
    if (used.keys === 0 || Date.now() > deadline) return used;
    await pause(1_000);
  }
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
