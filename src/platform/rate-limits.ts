import { createHash } from 'node:crypto';
import type { Middleware } from 'koa';
import { RateLimiterMemory } from 'rate-limiter-flexible';
import { tooManyRequests } from './errors.ts';
import { addressBlock } from './http/client-address.ts';

/** `retryAfter` in seconds; `isFirst` for the try that reached the limit. */
export type RateDecision = { allowed: true } | { allowed: false; retryAfter: number; isFirst: boolean };

export interface RateLimiter {
  /** Takes one try. */
  take(key: string): Promise<RateDecision>;
  /** Whether a try would be allowed now. Nothing is counted or kept. */
  peek(key: string): Promise<RateDecision>;
  /** Nothing was counted: every try is allowed. */
  isUnused(): boolean;
  /** Gives a try back that should not have counted. */
  giveBack(key: string): Promise<void>;
}

/** Who fills the memory with keys makes the oldest be forgotten, nothing else. */
const MOST_KEYS = 10_000;
const LONGEST_KEY = 128;

/** Counts in this process: a node's own limit, gone with it. What protects one account is counted in the database instead. */
export function createRateLimiter({
  points,
  seconds,
  mostKeys = MOST_KEYS,
}: {
  points: number;
  seconds: number;
  mostKeys?: number;
}): RateLimiter {
  const limiter = new RateLimiterMemory({ points, duration: seconds });
  const kept = new Set<string>();

  /** Oldest first, so that the first is the next to go. */
  async function keep(key: string): Promise<void> {
    if (kept.has(key) && (await limiter.get(key))) return;
    kept.delete(key);
    kept.add(key);
    if (kept.size <= mostKeys) return;
    const [oldest] = kept;
    kept.delete(oldest!);
    await limiter.delete(oldest!);
  }

  return {
    async take(given) {
      const key = shortened(given);
      await keep(key);
      try {
        await limiter.consume(key);
        return { allowed: true };
      } catch (refusal) {
        // The library throws what it answers; anything else is a defect.
        const { msBeforeNext, consumedPoints } = refusal as { msBeforeNext?: number; consumedPoints?: number };
        if (msBeforeNext === undefined) throw refusal;
        const retryAfter = Math.max(1, Math.ceil(msBeforeNext / 1000));
        return { allowed: false, retryAfter, isFirst: consumedPoints === points + 1 };
      }
    },
    async peek(given) {
      const state = await limiter.get(shortened(given));
      if (!state || state.consumedPoints < points) return { allowed: true };
      return { allowed: false, retryAfter: Math.max(1, Math.ceil(state.msBeforeNext / 1000)), isFirst: false };
    },
    isUnused: () => kept.size === 0,
    async giveBack(given) {
      const key = shortened(given);
      const state = await limiter.get(key);
      if (state && state.consumedPoints > 0) await limiter.reward(key);
    },
  };
}

function shortened(key: string): string {
  return key.length <= LONGEST_KEY ? key : createHash('sha256').update(key).digest('base64');
}

export interface RateLimits {
  /** Password attempts, by `addressKey`. */
  signIn: RateLimiter;
  /** Failed client authentications, by `clientKey`. S-046 */
  clientAuthentication: RateLimiter;
  /** The same by `addressKey` alone, for whoever tries many clients, or none that exist. S-046 */
  clientAuthenticationByAddress: RateLimiter;
  /** What strangers make us keep: sign-ins they begin, requests they push, sign-outs. By `addressKey`. */
  strangers: RateLimiter;
}

export function createRateLimits(limits: {
  signInPerAddressPerMinute: number;
  tokenFailuresPerClientPerMinute: number;
  tokenFailuresPerAddressPerMinute: number;
  strangersPerAddressPerMinute: number;
}): RateLimits {
  const perMinute = (points: number) => createRateLimiter({ points, seconds: 60 });
  return {
    signIn: perMinute(limits.signInPerAddressPerMinute),
    clientAuthentication: perMinute(limits.tokenFailuresPerClientPerMinute),
    clientAuthenticationByAddress: perMinute(limits.tokenFailuresPerAddressPerMinute),
    strangers: perMinute(limits.strangersPerAddressPerMinute),
  };
}

/** One IPv4 address, or the /64 that one IPv6 customer holds. `address` is canonical, from the trusted proxy chain. S-132 */
export function addressKey(address: string): string {
  return addressBlock(address);
}

/** A client as seen from one address: strangers elsewhere cannot lock it out. S-046 */
export function clientKey(clientId: string, address: string): string {
  return JSON.stringify([clientId, addressBlock(address)]);
}

/**
 * Lets each address through so many times in so many seconds.
 * @throws AppError too_many_requests
 */
export function limitByAddress(name: string, points: number, seconds: number): Middleware {
  const limiter = createRateLimiter({ points, seconds });
  return async function limitByAddress(ctx, next) {
    const decision = await limiter.take(`${name}:${addressKey(ctx.state.address)}`);
    if (!decision.allowed) throw tooManyRequests(decision.retryAfter);
    await next();
  };
}
