import { randomBytes, randomUUID } from 'node:crypto';
import type { Context, Middleware } from 'koa';
import { canonicalAddress, clientAddress, trustedBy } from './client-address.ts';

/** What every request knows about itself, as `ctx.state`. */
export interface RequestState {
  requestId: string;
  /** Whoever asks is a program, whatever it says it accepts. */
  answersProgram?: boolean;
  /** Canonical, from the trusted proxy chain. */
  address: string;
  /** For `contentSecurityPolicy({ nonce })`, when a page cannot do without. */
  readonly nonce: string;
}

const REQUEST_ID = /^[\w-]{8,64}$/;

/** First in line: gives the request its id and the address of whoever asks. S-132 */
export function requestContext({ trustedProxies }: { trustedProxies: string[] }): Middleware {
  const trusts = trustedBy(trustedProxies);
  return function requestContext(ctx, next) {
    const { req } = ctx;
    const peer = req.socket.remoteAddress;
    const forwardedFor = req.headers['x-forwarded-for'];
    const state = ctx.state as RequestState;
    state.address = clientAddress(peer, forwardedFor as string | undefined, trusts);
    state.requestId = requestId(ctx, () => trusts(canonicalAddress(peer ?? '') ?? '0.0.0.0'));
    ctx.res.setHeader('X-Request-Id', state.requestId);
    let nonce: string | undefined;
    Object.defineProperty(state, 'nonce', {
      get: () => {
        nonce ??= randomBytes(16).toString('base64');
        return nonce;
      },
    });
    return next();
  };
}

/** A trusted proxy may name the request, so that its log and ours meet. */
function requestId(ctx: Context, peerIsTrusted: () => boolean): string {
  const given = ctx.req.headers['x-request-id'];
  return typeof given === 'string' && REQUEST_ID.test(given) && peerIsTrusted() ? given : randomUUID();
}
