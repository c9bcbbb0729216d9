import { createHash } from 'node:crypto';
import { RateLimiterMemory } from 'rate-limiter-flexible';

/** `retryAfter` in seconds; `isFirst` for the first try that met the limit, of those taken and of those looked at each. */
export type RateDecision = { allowed: true } | { allowed: false; retryAfter: number; isFirst: boolean };

export interface RateLimiter {
  /** Takes one try. */
  take(key: string): Promise<RateDecision>;
  /** Whether a try would be allowed now. Nothing is counted. */
  peek(key: string): RateDecision;
  /** Gives a try back that should not have counted. */
  giveBack(key: string): Promise<void>;
}

export interface RateLimiterOptions {
  points: number;
  seconds: number;
  mostKeys?: number;
  /** Adds to a count that all nodes share, and tells it; undefined when it cannot be told. Never rejects. */
  share?: Share;
}

export type Share = (key: string, by: number) => Promise<SharedCount | undefined>;

export interface SharedCount {
  count: number;
  /** Until it begins anew. */
  millisecondsLeft: number;
}

/** Who fills the memory with keys makes the oldest be forgotten, nothing else. */
const MOST_KEYS = 10_000;
const LONGEST_KEY = 128;

/**
 * Milliseconds that tries are gathered before they are told to all nodes: one message for a key, however busy it is. Of a limit that
 * is large, so much matters less than what the messages cost.
 */
const GATHER = 20;
const GATHER_MANY = 1_000;
const MANY = 1_000;

/** Goes forward only: a clock that is set back makes nobody wait longer. */
const now = () => performance.now();

interface Full {
  until: number;
  isShared: boolean;
  /** By which of the two questions somebody was refused. */
  isTold: { take: boolean; peek: boolean };
}

/**
 * Counts in this process and, with `share`, also among all nodes. Both counts hold by themselves: when the shared one is lost or
 * cannot be reached, this node's own stays. Nobody waits for the shared one. It is told of tries after they were answered, and its
 * answer counts from then on, so what is too much by it is at most what all nodes let through while they gather and on the way to the
 * shared count and back, once in a window. What protects one account is counted in the database instead, exactly.
 */
export function createRateLimiter({ points, seconds, mostKeys = MOST_KEYS, share }: RateLimiterOptions): RateLimiter {
  const limiter = new RateLimiterMemory({ points, duration: seconds });
  /** When the window of each ends. Oldest first, so that the first is the next to go. */
  const kept = new Map<string, number>();
  const full = new Map<string, Full>();
  const untold = new Map<string, number>();
  const gather = points > MANY ? GATHER_MANY : GATHER;

  function keep(key: string): void {
    const end = kept.get(key);
    if (end !== undefined && now() < end) return;
    kept.delete(key);
    kept.set(key, now() + seconds * 1000);
    if (kept.size <= mostKeys) return;
    const [oldest] = kept.keys();
    kept.delete(oldest!);
    full.delete(oldest!);
    void limiter.delete(oldest!);
  }

  function fullness(key: string): Full | undefined {
    const found = full.get(key);
    if (!found || now() < found.until) return found;
    full.delete(key);
    return undefined;
  }

  function setFull(key: string, milliseconds: number, isShared: boolean): void {
    // Whatever somebody writes into the shared count, it can refuse for one window at a time.
    const until = now() + Math.min(Math.max(0, milliseconds), seconds * 1000);
    const known = fullness(key);
    if (!known) full.set(key, { until, isShared, isTold: { take: false, peek: false } });
    else if (known.until < until) Object.assign(known, { until, isShared });
  }

  function tell(key: string, by: number): void {
    if (!share) return;
    if (untold.size === 0) setTimeout(tellAll, gather, share).unref();
    untold.set(key, (untold.get(key) ?? 0) + by);
  }

  function tellAll(share: Share): void {
    const all = [...untold];
    untold.clear();
    for (const [key, by] of all) if (by !== 0) void tellOne(share, key, by);
  }

  async function tellOne(share: Share, key: string, by: number): Promise<void> {
    const shared = await share(key, by);
    if (!shared || !kept.has(key)) return;
    if (shared.count >= points) setFull(key, shared.millisecondsLeft, true);
    // It was full by what was given back.
    else if (by < 0 && full.get(key)?.isShared) full.delete(key);
  }

  return {
    async take(given) {
      const key = shortened(given);
      const known = fullness(key);
      if (known) return refusal(known, 'take');
      keep(key);
      const { consumedPoints, msBeforeNext } = await limiter.penalty(key);
      if (consumedPoints >= points) setFull(key, msBeforeNext, false);
      if (consumedPoints > points) return refusal(full.get(key)!, 'take');
      tell(key, 1);
      return { allowed: true };
    },
    peek(given) {
      const known = full.size === 0 ? undefined : fullness(shortened(given));
      return known ? refusal(known, 'peek') : { allowed: true };
    },
    async giveBack(given) {
      const key = shortened(given);
      const state = await limiter.get(key);
      if (!state || state.consumedPoints <= 0) return;
      await limiter.reward(key);
      if (!fullness(key)?.isShared) full.delete(key);
      tell(key, -1);
    },
  };
}

function refusal(full: Full, question: 'take' | 'peek'): Extract<RateDecision, { allowed: false }> {
  const isFirst = !full.isTold[question];
  full.isTold[question] = true;
  return { allowed: false, retryAfter: Math.max(1, Math.ceil((full.until - now()) / 1000)), isFirst };
}

function shortened(key: string): string {
  return key.length <= LONGEST_KEY ? key : createHash('sha256').update(key).digest('base64');
}
