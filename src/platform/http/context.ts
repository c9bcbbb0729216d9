import { randomBytes, randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Middleware } from 'koa';
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

export type DescribeRequest = (req: IncomingMessage, res: ServerResponse) => { requestId: string; address: string };

/** Gives a request its id, which its answer repeats, and the address of whoever asks. S-132 */
export function describeRequests({ trustedProxies }: { trustedProxies: string[] }): DescribeRequest {
  const trusts = trustedBy(trustedProxies);
  return (req, res) => {
    const peer = req.socket.remoteAddress;
    const forwardedFor = req.headers['x-forwarded-for'];
    const address = clientAddress(peer, forwardedFor as string | undefined, trusts);
    const requestId = requestIdOf(req, () => trusts(canonicalAddress(peer ?? '') ?? '0.0.0.0'));
    res.setHeader('X-Request-Id', requestId);
    return { requestId, address };
  };
}

/** A class, so that all of them look alike to V8. */
class PageState implements RequestState {
  requestId: string;
  address: string;
  #nonce: string | undefined;

  constructor({ requestId, address }: Pick<RequestState, 'requestId' | 'address'>) {
    this.requestId = requestId;
    this.address = address;
  }

  get nonce(): string {
    this.#nonce ??= randomBytes(16).toString('base64');
    return this.#nonce;
  }
}

/** First in line. */
export function requestContext(options: { trustedProxies: string[] }): Middleware {
  const describe = describeRequests(options);
  return function requestContext(ctx, next) {
    ctx.state = new PageState(describe(ctx.req, ctx.res));
    return next();
  };
}

/** A trusted proxy may name the request, so that its log and ours meet. */
function requestIdOf(req: IncomingMessage, peerIsTrusted: () => boolean): string {
  const given = req.headers['x-request-id'];
  return typeof given === 'string' && REQUEST_ID.test(given) && peerIsTrusted() ? given : randomUUID();
}
