import type { Context } from 'koa';
import type { RelyingParty } from '../clients/client.ts';
import { isPublicClient } from '../clients/client-metadata.ts';
import { tooManyRequests as tooManySignOuts } from '../platform/errors.ts';
import { addressKey, type RateLimiter } from '../platform/rate-limits.ts';
import type { EngineContext } from './engine.ts';
import { tooManyRequests } from './too-many-requests.ts';

/**
 * Limits what somebody whom nobody knows can make us keep: each sign-in that begins is a row, each request that is pushed, each
 * sign-out. Clients that authenticated and browsers that are signed in are known, and may begin as many as they like.
 */
export function createStrangerLimit(limiter: RateLimiter) {
  const counted = new WeakSet<object>();

  async function count(ctx: EngineContext): Promise<void> {
    counted.add(ctx);
    const decision = await limiter.take(addressKey(ctx.state.address));
    if (!decision.allowed) throw tooManyRequests(ctx, decision.retryAfter, 'too many requests from this address');
  }

  return {
    /**
     * Asked when the client is looked up: before that nothing is kept, and the session is known by then.
     * @throws an answer with status 429
     */
    check(ctx: EngineContext, party: RelyingParty): Promise<void> | undefined {
      return isStranger(ctx, party) && !counted.has(ctx) ? count(ctx) : undefined;
    },

    /** @throws AppError too_many_requests */
    async takeSignOut({ state }: Context): Promise<void> {
      const decision = await limiter.take(addressKey(state.address));
      if (!decision.allowed) throw tooManySignOuts(decision.retryAfter);
    },
  };
}

function isStranger({ oidc }: EngineContext, { metadata }: RelyingParty): boolean {
  if (oidc.route === 'authorization') return !oidc.session?.accountId;
  return oidc.route === 'pushed_authorization_request' && isPublicClient(metadata);
}
