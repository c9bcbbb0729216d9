import type { Middleware } from 'koa';
import { RateLimiterMemory } from 'rate-limiter-flexible';
import { tooManyRequests } from './errors.ts';
import { addressBlock } from './http/client-address.ts';

/** `retryAfter` in seconds; `isFirst` for the try that reached the limit. */
export type RateDecision = { allowed: true } | { allowed: false; retryAfter: number; isFirst: boolean };

export interface RateLimiter {
  /** Takes one try. */
  take(key: string): Promise<RateDecision>;
  /** Gives a try back that should not have counted. */
  giveBack(key: string): Promise<void>;
}

/** Counts in this process: a node's own limit, gone with it. What protects one account is counted in the database instead. */
export function createRateLimiter({ points, seconds }: { points: number; seconds: number }): RateLimiter {
  const limiter = new RateLimiterMemory({ points, duration: seconds });
  return {
    async take(key) {
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
    async giveBack(key) {
      const state = await limiter.get(key);
      if (state && state.consumedPoints > 0) await limiter.reward(key);
    },
  };
}

export interface RateLimits {
  /** Password attempts, by `addressKey`. */
  signIn: RateLimiter;
  /** Client authentications, by `clientKey`: taken before, given back after a success, so that only failures count. S-046 */
  clientAuthentication: RateLimiter;
}

export function createRateLimits(limits: {
  signInPerAddressPerMinute: number;
  tokenFailuresPerClientPerMinute: number;
}): RateLimits {
  return {
    signIn: createRateLimiter({ points: limits.signInPerAddressPerMinute, seconds: 60 }),
    clientAuthentication: createRateLimiter({ points: limits.tokenFailuresPerClientPerMinute, seconds: 60 }),
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
