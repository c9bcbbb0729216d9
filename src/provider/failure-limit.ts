import { addressKey, clientKey, type RateDecision, type RateLimits } from '../platform/rate-limits.ts';
import type { EngineContext, Provider } from './engine.ts';
import { tooManyRequests } from './too-many-requests.ts';

/** Where a client authenticates. */
const ROUTES = ['token', 'introspection', 'revocation', 'pushed_authorization_request'];
const ERRORS = [
  'grant.error',
  'introspection.error',
  'revocation.error',
  'pushed_authorization_request.error',
] as const;

/**
 * Limits guessing the secret of a client, by client and address, and by address alone for who tries many. Only failures count,
 * so a stranger elsewhere cannot lock a client out. Codes and tokens are not counted: nobody guesses 256 bits, and every visitor
 * of an application can make it present as many wrong ones as he likes. Asked before the client is even looked up, so that
 * whoever is over the limit learns nothing more. S-046
 */
export function createFailureLimit({
  clientAuthentication: byClient,
  clientAuthenticationByAddress: byAddress,
}: Pick<RateLimits, 'clientAuthentication' | 'clientAuthenticationByAddress'>) {
  return {
    /** @throws an answer with status 429 */
    check(ctx: EngineContext, clientId: string): void {
      // Once known, further look-ups are about other clients.
      if (!ROUTES.includes(ctx.oidc.route) || ctx.oidc.client) return;
      const { address } = ctx.state;
      refuseUnlessAllowed(ctx, byAddress.peek(addressKey(address)));
      refuseUnlessAllowed(ctx, byClient.peek(clientKey(clientId, address)));
    },

    count(provider: Provider): void {
      for (const event of ERRORS) {
        provider.on(event as 'grant.error', (ctx, { error }) => {
          if (error !== 'invalid_client') return;
          const { client } = ctx.oidc;
          const { address } = ctx.state;
          void byAddress.take(addressKey(address));
          if (client) void byClient.take(clientKey(client.clientId, address));
        });
      }
    },
  };
}

function refuseUnlessAllowed(ctx: EngineContext, decision: RateDecision): void {
  if (!decision.allowed) throw tooManyRequests(ctx, decision.retryAfter, 'too many failed attempts from this address');
}
