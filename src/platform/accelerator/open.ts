import type { Logger } from '../logger.ts';
import type { Metrics } from '../metrics.ts';
import { type Accelerator, createInProcessAccelerator } from './accelerator.ts';
import type { CountReads } from './cache.ts';
import type { RedisSettings } from './redis-connection.ts';

/** The one that was chosen. Does not wait for Redis, nor fail when there is none. */
export async function openAccelerator({
  redis,
  secret,
  logger,
  metrics,
}: {
  redis: (RedisSettings & { prefix: string }) | undefined;
  secret: Buffer;
  logger: Logger;
  metrics: Metrics;
}): Promise<Accelerator> {
  const countRead = metrics.counter('daemun_cache_reads_total', 'What was asked of a cache, by where it was found.', [
    'cache',
    'result',
  ]);
  const countReads: CountReads = (cache) => ({
    process: () => countRead({ cache, result: 'process' }),
    shared: () => countRead({ cache, result: 'shared' }),
    miss: () => countRead({ cache, result: 'miss' }),
  });
  if (!redis) return createInProcessAccelerator({ countReads });
  const countFailure = metrics.counter('daemun_redis_failures_total', 'Redis was late or failed.', ['reason']);
  for (const reason of ['late', 'failed']) countFailure({ reason }, 0);
  const { createRedisAccelerator } = await import('./redis.ts');
  const { prefix, ...settings } = redis;
  const accelerator = createRedisAccelerator({
    redis: settings,
    prefix,
    secret,
    logger,
    countReads,
    onFailure: (reason) => countFailure({ reason }),
  });
  metrics.gauge('daemun_redis_breaker_open', '1 while this node goes on without Redis.', [], (set) =>
    set(accelerator.isAlone ? 1 : 0),
  );
  return accelerator;
}
