import type { Middleware } from 'koa';
import { tooManyRequests } from './errors.ts';
import { addressBlock } from './http/client-address.ts';
import { createRateLimiter, type RateLimiter, type RateLimiterOptions } from './rate-limiter.ts';

export type { RateDecision, RateLimiter } from './rate-limiter.ts';

export interface RateLimits {
  /** Password attempts, by `addressKey`. */
  signIn: RateLimiter;
  /** Pages on which people sign in, and links of one use, by `addressKey`. */
  signInPages: RateLimiter;
  /** Failed client authentications, by `clientKey`. S-046 */
  clientAuthentication: RateLimiter;
  /** The same by `addressKey` alone, for whoever tries many clients, or none that exist. S-046 */
  clientAuthenticationByAddress: RateLimiter;
  /** Token requests of a client that proved who it is, by its id; of one that cannot, by `clientKey`. */
  tokenRequests: RateLimiter;
  /** What strangers make us keep: sign-ins they begin, requests they push, sign-outs. By `addressKey`. */
  strangers: RateLimiter;
  /** People sent to other providers, by `addressKey`. */
  upstreamDepartures: RateLimiter;
  /** People who come back from there, by `addressKey`. */
  upstreamReturns: RateLimiter;
  /** Mail to one address, by that address in small letters. S-149 */
  mailToRecipient: RateLimiter;
}

/** How often. */
export interface RateLimitSettings {
  signInPerAddressPerMinute: number;
  signInPagesPerAddressPerMinute: number;
  tokenFailuresPerClientPerMinute: number;
  tokenFailuresPerAddressPerMinute: number;
  tokenRequestsPerClientPerMinute: number;
  strangersPerAddressPerMinute: number;
  mailsPerRecipientPerHour: number;
}

/** Makes what counts under a name: in this process alone unless told. */
export type CreateCounter = (options: { name: string } & Pick<RateLimiterOptions, 'points' | 'seconds'>) => RateLimiter;

export function createRateLimits(
  limits: RateLimitSettings,
  createCounter: CreateCounter = createRateLimiter,
): RateLimits {
  const perMinute = (name: string, points: number) => createCounter({ name, points, seconds: 60 });
  return {
    signIn: perMinute('sign-in', limits.signInPerAddressPerMinute),
    signInPages: perMinute('sign-in-pages', limits.signInPagesPerAddressPerMinute),
    clientAuthentication: perMinute('client-authentication', limits.tokenFailuresPerClientPerMinute),
    clientAuthenticationByAddress: perMinute(
      'client-authentication-by-address',
      limits.tokenFailuresPerAddressPerMinute,
    ),
    tokenRequests: perMinute('token-requests', limits.tokenRequestsPerClientPerMinute),
    strangers: perMinute('strangers', limits.strangersPerAddressPerMinute),
    upstreamDepartures: perMinute('upstream-departures', limits.strangersPerAddressPerMinute),
    // Each sign-in comes by two addresses.
    upstreamReturns: perMinute('upstream-returns', 2 * limits.strangersPerAddressPerMinute),
    mailToRecipient: createCounter({
      name: 'mail-to-recipient',
      points: limits.mailsPerRecipientPerHour,
      seconds: 3_600,
    }),
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
 * Lets each address through as often as the limit allows.
 * @throws AppError too_many_requests
 */
export function limitByAddress(limiter: Pick<RateLimiter, 'take'>): Middleware {
  return async function limitByAddress(ctx, next) {
    const decision = await limiter.take(addressKey(ctx.state.address));
    if (!decision.allowed) throw tooManyRequests(decision.retryAfter);
    await next();
  };
}
