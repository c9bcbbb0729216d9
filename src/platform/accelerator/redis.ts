import { randomUUID } from 'node:crypto';
import { RateLimiterRedis } from 'rate-limiter-flexible';
import type { Logger } from '../logger.ts';
import { createRateLimiter, type Share } from '../rate-limiter.ts';
import type { Accelerator, CounterOptions } from './accelerator.ts';
import { createBreaker } from './breaker.ts';
import { type CountReads, createCache, type SharedEntries } from './cache.ts';
import { createEntrySeal } from './entry-seal.ts';
import { openRedisConnection, type RedisSettings } from './redis-connection.ts';
import { createLocalTopics } from './topics.ts';

/** Milliseconds that a request waits for Redis, once: then there is none until it answers again. */
const DEADLINE = 25;
const LONGEST_MESSAGE = 4_096;

export interface RedisAcceleratorOptions {
  redis: RedisSettings;
  /** Before everything that is kept there. */
  prefix: string;
  /** Known to all nodes and to nobody else. */
  secret: Buffer;
  logger: Pick<Logger, 'info' | 'warn'>;
  countReads?: CountReads;
  onFailure?(reason: 'late' | 'failed'): void;
  deadline?: number;
}

export interface RedisAccelerator extends Accelerator {
  /** This node is on its own. */
  readonly isAlone: boolean;
}

/**
 * Nodes that count and remember together in Redis, which is neither waited for nor believed: what is late, lost, old or altered is
 * as if there were no Redis. @see docs/decisions/0014-redis-accelerates-and-decides-nothing.md
 */
export function createRedisAccelerator(options: RedisAcceleratorOptions): RedisAccelerator {
  const { prefix, logger, countReads, onFailure, deadline = DEADLINE } = options;
  const self = randomUUID();
  const seal = createEntrySeal(options.secret);
  const caches: { clear(): void }[] = [];
  const channel = `${prefix}messages`;
  let isToldOf = false;

  const connection = openRedisConnection(options.redis, {
    channel,
    onMessage: hear,
    onListening: forgetAll,
    onTrouble(error) {
      breaker.trip();
      if (isToldOf) return;
      isToldOf = true;
      const { name: errorName, code, message } = (error ?? {}) as { name?: string; code?: string; message?: string };
      logger.warn(
        { code: code ?? REPLY.exec(message ?? '')?.[0], errorName },
        'Redis cannot be reached: this node goes on without it',
      );
    },
  });
  const breaker = createBreaker({
    deadline,
    probe: (key) => (key === undefined ? connection.ping() : connection.get(`${prefix}${key}`)),
    onFailure,
    onClosed() {
      if (isToldOf) logger.info('Redis answers again');
      isToldOf = false;
      forgetAll();
    },
  });
  const topics = createLocalTopics(async (name, message) => {
    await breaker.run('probe', () => connection.publish(channel, JSON.stringify([self, name, message])));
  });

  /** Anybody who reaches Redis can send these. All they can do is make a node read something anew. */
  function hear(text: string): void {
    if (text.length > LONGEST_MESSAGE) return;
    const parsed = parseMessage(text);
    if (parsed && parsed.from !== self) topics.deliver(parsed.name, parsed.message);
  }

  /** Messages may have been missed. */
  function forgetAll(): void {
    for (const cache of caches) cache.clear();
  }

  const entries: SharedEntries = {
    async read(cache, key) {
      const place = seal.nameOf('cache', cache, key);
      const sealed = await breaker.run(place, () => connection.get(`${prefix}${place}`));
      return sealed ? seal.open(place, sealed) : undefined;
    },
    write(cache, key, entry, milliseconds) {
      const place = seal.nameOf('cache', cache, key);
      if (breaker.isOpen) return;
      void breaker.run(place, () => connection.set(`${prefix}${place}`, seal.seal(place, entry), milliseconds));
    },
    async remove(cache, key) {
      const place = seal.nameOf('cache', cache, key);
      await breaker.run(place, () => connection.remove(`${prefix}${place}`));
    },
  };

  function shareOf({ name, points, seconds }: CounterOptions): Share {
    const counter = new RateLimiterRedis({
      // All that the library asks of it for adding.
      storeClient: {
        eval: (script: string, { keys, arguments: values }: { keys: [string]; arguments: string[] }) =>
          connection.evaluate(script, keys[0], values),
      },
      useRedisPackage: true,
      customIncrTtlLuaScript: ADD,
      keyPrefix: '',
      points,
      duration: seconds,
    });
    return async (key, by) => {
      if (breaker.isOpen) return undefined;
      const place = seal.nameOf('count', name, key);
      const state = await breaker.run(place, () => counter.penalty(`${prefix}${place}`, by));
      return state && { count: state.consumedPoints, millisecondsLeft: state.msBeforeNext };
    };
  }

  return {
    get isAlone() {
      return breaker.isOpen;
    },
    counter: (options) => createRateLimiter({ ...options, share: shareOf(options) }),
    cache(options) {
      const topic = topics.topic(`cache:${options.name}`);
      const cache = createCache(options, { topic, shared: entries, countReads });
      caches.push(cache);
      return cache;
    },
    topic: topics.topic,
    async close() {
      breaker.stop();
      connection.close();
    },
  };
}

/** What an answer that says no begins with (`WRONGPASS …`, `NOPERM …`): it says what to mend, and the rest may quote what we sent. */
const REPLY = /^[A-Z]{3,}(?= )/;

/** As the library adds, but what is given back never makes it less than nothing, nor does anything stay for ever. */
const ADD = `redis.call('set', KEYS[1], 0, 'EX', ARGV[2], 'NX')
local consumed = redis.call('incrby', KEYS[1], ARGV[1])
if consumed < 0 then
  redis.call('set', KEYS[1], 0, 'KEEPTTL')
  consumed = 0
end
local ttl = redis.call('pttl', KEYS[1])
if ttl == -1 or ttl > 1000 * ARGV[2] then
  redis.call('expire', KEYS[1], ARGV[2])
  ttl = 1000 * ARGV[2]
end
return {consumed, ttl}`;

function parseMessage(text: string): { from: string; name: string; message: string } | undefined {
  try {
    const [from, name, message] = JSON.parse(text);
    const isText = [from, name, message].every((part) => typeof part === 'string');
    return isText ? { from, name, message } : undefined;
  } catch {
    return undefined;
  }
}
