import { clientKey, type RateLimiter } from '../platform/rate-limits.ts';
import { type EngineContext, errors, type Provider } from './engine.ts';

/** Where a client authenticates, and where codes and tokens are presented. */
const ROUTES = ['token', 'introspection', 'revocation', 'pushed_authorization_request'];
const ERRORS = [
  'grant.error',
  'introspection.error',
  'revocation.error',
  'pushed_authorization_request.error',
] as const;

/** What somebody gets who guesses: secrets and assertions, codes and refresh tokens. */
const GUESSES = ['invalid_client', 'invalid_grant'];

/**
 * Limits guessing, by client and address: only failures count, and a stranger elsewhere cannot lock a client out. Asked before
 * the client is even looked up, so that whoever is over the limit learns nothing more. S-046
 */
export function createFailureLimit(limiter: RateLimiter) {
  return {
    /** @throws an answer with status 429 */
    async check(ctx: EngineContext, clientId: string): Promise<void> {
      // Once known, further look-ups are about other clients.
      if (!ROUTES.includes(ctx.oidc.route) || ctx.oidc.client) return;
      const key = keyFor(ctx, clientId);
      const decision = await limiter.take(key);
      if (decision.allowed) return limiter.giveBack(key);
      ctx.set('Retry-After', String(decision.retryAfter));
      const refusal = new errors.OIDCProviderError(429, 'temporarily_unavailable');
      refusal.error_description = 'too many failed attempts by this client from this address';
      throw refusal;
    },

    count(provider: Provider): void {
      for (const event of ERRORS) {
        provider.on(event as 'grant.error', (ctx, { error }) => {
          const { client } = ctx.oidc;
          if (client && GUESSES.includes(error)) void limiter.take(keyFor(ctx, client.clientId));
        });
      }
    },
  };
}

function keyFor(ctx: EngineContext, clientId: string): string {
  return clientKey(clientId, ctx.state.address);
}
