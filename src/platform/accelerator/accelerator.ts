import { createRateLimiter, type RateLimiter, type RateLimiterOptions } from '../rate-limiter.ts';
import { type Cache, type CacheOptions, type CountReads, createCache } from './cache.ts';
import { createLocalTopics, type Topic } from './topics.ts';

export type { Cache, CacheOptions } from './cache.ts';
export type { Topic } from './topics.ts';

/**
 * What makes many nodes fast and lets them count together, and may be lost at any moment: nothing here decides what is true.
 * Nothing of it ever throws, nor waits longer than a moment, because of what it is built on. `test/contracts/accelerator.ts` says
 * what holds for every one of them.
 */
export interface Accelerator {
  /** Counts tries under this name: on this node, and where there are several on all of them together. */
  counter(options: CounterOptions): RateLimiter;
  /** Remembers what `read` reads. Once for each name. */
  cache<Value>(options: CacheOptions<Value>): Cache<Value>;
  /** Messages between nodes: most arrive at once, some are lost. */
  topic(name: string): Topic;
  close(): Promise<void>;
}

export interface CounterOptions extends Pick<RateLimiterOptions, 'points' | 'seconds' | 'mostKeys'> {
  name: string;
}

/** For one process, or many that know nothing of each other. */
export function createInProcessAccelerator({ countReads }: { countReads?: CountReads } = {}): Accelerator {
  const topics = createLocalTopics();
  return {
    counter: ({ name: _, ...options }) => createRateLimiter(options),
    cache: (options) => createCache(options, { topic: topics.topic(`cache:${options.name}`), countReads }),
    topic: topics.topic,
    close: async () => {},
  };
}
