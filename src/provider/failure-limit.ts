import type { Audit } from '../audit/audit.ts';
import { addressKey, clientKey, type RateLimits } from '../platform/rate-limits.ts';
import { auditContextOf } from './audit-context.ts';
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
 * That guessing at a client begins to be refused is on record, what is refused then is not. S-175
 */
export function createFailureLimit(
  {
    clientAuthentication: byClient,
    clientAuthenticationByAddress: byAddress,
  }: Pick<RateLimits, 'clientAuthentication' | 'clientAuthenticationByAddress'>,
  { queue }: Pick<Audit, 'queue'>,
) {
  return {
    /** @throws an answer with status 429 */
    check(ctx: EngineContext, clientId: string): void {
      // Once known, further look-ups are about other clients.
      if (!ROUTES.includes(ctx.oidc.route) || ctx.oidc.client) return;
      const { address } = ctx.state;
      const ofAddress = byAddress.peek(addressKey(address));
      if (!ofAddress.allowed) throw refusal(ctx, ofAddress.retryAfter);
      const ofClient = byClient.peek(clientKey(clientId, address));
      if (ofClient.allowed) return;
      const { retryAfter, isFirst } = ofClient;
      // Only of clients that are ours anything was counted.
      if (isFirst) queue.clientThrottled({ clientId, limit: 'failures', retryAfter }, auditContextOf(ctx.state));
      throw refusal(ctx, retryAfter);
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

function refusal(ctx: EngineContext, retryAfter: number): Error {
  return tooManyRequests(ctx, retryAfter, 'too many failed attempts from this address');
}
