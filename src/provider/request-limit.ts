import type { Audit } from '../audit/audit.ts';
import type { RelyingParty } from '../clients/client.ts';
import { isPublicClient } from '../clients/client-metadata.ts';
import { clientKey, type RateLimiter } from '../platform/rate-limits.ts';
import { auditContextOf } from './audit-context.ts';
import type { EngineContext, Provider } from './engine.ts';
import { tooManyRequests } from './too-many-requests.ts';

/**
 * Limits how much one client asks of the token endpoint. Only requests count of which it is known that they are the client's, so
 * that nobody else can use up what it has; anybody can be a public client, so each address has its own. S-046
 * That it begins to refuse a client is on record, what it refuses then is not. S-175
 */
export function createRequestLimit(limiter: Pick<RateLimiter, 'take' | 'peek'>, { queue }: Pick<Audit, 'queue'>) {
  const keyOf = (ctx: EngineContext, clientId: string, isPublic: boolean) =>
    isPublic ? clientKey(clientId, ctx.state.address) : clientId;

  function count(ctx: EngineContext): void {
    const { client } = ctx.oidc;
    if (client) void limiter.take(keyOf(ctx, client.clientId, client.clientAuthMethod === 'none'));
  }

  return {
    /** @throws an answer with status 429 */
    check(ctx: EngineContext, party: RelyingParty): void {
      if (ctx.oidc.route !== 'token' || ctx.oidc.client) return;
      const decision = limiter.peek(keyOf(ctx, party.id, isPublicClient(party.metadata)));
      if (decision.allowed) return;
      const { retryAfter, isFirst } = decision;
      if (isFirst)
        queue.clientThrottled({ clientId: party.id, limit: 'requests', retryAfter }, auditContextOf(ctx.state));
      throw tooManyRequests(ctx, retryAfter, 'too many requests of this client');
    },

    count(provider: Provider): void {
      provider.on('grant.success', count);
      provider.on('grant.error', (ctx, { error }) => {
        if (error !== 'invalid_client') count(ctx);
      });
    },
  };
}
