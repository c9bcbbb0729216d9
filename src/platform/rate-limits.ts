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
  /** Requests to our own API, by their caller. */
  apiRequests: RateLimiter;
  /** Those whose credential does not hold, by `addressKey`. */
  apiFailures: RateLimiter;
  /** Keys that strangers report, by `addressKey`. */
  foundKeys: RateLimiter;
  /** Mail to one address, by that address in small letters; about one account, by its id; by `addressKey` of who caused it; in all. S-149 */
  mail: Record<'recipient' | 'first' | 'account' | 'source' | 'all', RateLimiter>;
}

/** To one recipient, an hour: more than that nobody needs to learn that something is wrong. */
const FIRST_MAILS = 3;

/** How often. */
export interface RateLimitSettings {
  signInPerAddressPerMinute: number;
  signInPagesPerAddressPerMinute: number;
  tokenFailuresPerClientPerMinute: number;
  tokenFailuresPerAddressPerMinute: number;
  tokenRequestsPerClientPerMinute: number;
  strangersPerAddressPerMinute: number;
  apiRequestsPerCallerPerMinute: number;
  apiFailuresPerAddressPerMinute: number;
  mailsPerRecipientPerHour: number;
  mailsPerAccountPerHour: number;
  mailsPerSourcePerHour: number;
  mailsPerHour: number;
}

/** Makes what counts under a name: in this process alone unless told. */
export type CreateCounter = (options: { name: string } & Pick<RateLimiterOptions, 'points' | 'seconds'>) => RateLimiter;

export function createRateLimits(
  limits: RateLimitSettings,
  createCounter: CreateCounter = createRateLimiter,
): RateLimits {
  const perMinute = (name: string, points: number) => createCounter({ name, points, seconds: 60 });
  const perHour = (name: string, points: number) => createCounter({ name, points, seconds: 3_600 });
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
    apiRequests: perMinute('api-requests', limits.apiRequestsPerCallerPerMinute),
    apiFailures: perMinute('api-failures', limits.apiFailuresPerAddressPerMinute),
    foundKeys: perMinute('found-keys', Math.ceil(limits.apiFailuresPerAddressPerMinute / 10)),
    mail: {
      recipient: perHour('mail-to-recipient', limits.mailsPerRecipientPerHour),
      first: perHour('mail-first-to-recipient', FIRST_MAILS),
      account: perHour('mail-about-account', limits.mailsPerAccountPerHour),
      source: perHour('mail-from-source', limits.mailsPerSourcePerHour),
      all: perHour('mail-in-all', limits.mailsPerHour),
    },
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
