import type { IncomingMessage } from 'node:http';
import type { Middleware } from 'koa';
import { badRequest, misdirected } from '../errors.ts';
import type { RequestState } from './context.ts';

export type ServesHost = (request: IncomingMessage) => boolean;

/** Only the host of the issuer is served, so no header can put another one into a link or a cache. S-169 */
export function servesHostOf(issuer: string): ServesHost {
  const { host, hostname, port, protocol } = new URL(issuer);
  const accepted = new Set([host]);
  // A client may spell out the default port (RFC 9110 section 4.2.3).
  if (!port) accepted.add(`${hostname}:${protocol === 'https:' ? 443 : 80}`);
  return ({ headers, httpVersionMajor }) => {
    const named = headers.host ?? (httpVersionMajor > 1 ? (headers[':authority'] as string | undefined) : undefined);
    return named !== undefined && accepted.has(named.toLowerCase());
  };
}

/**
 * `isForPrograms` knows the paths whose callers are shown no pages, whatever they say they accept.
 * @throws AppError misdirected (421), bad_request for absolute request targets (RFC 9112 section 3.2.2), which would name a second host
 */
export function hostCheck(issuer: string, isForPrograms: (path: string) => boolean = () => false): Middleware {
  const served = servesHostOf(issuer);
  const { host } = new URL(issuer);
  return function hostCheck(ctx, next) {
    // Nobody further in, who would know, sees a request that is refused here.
    if (isForPrograms(ctx.path)) (ctx.state as RequestState).answersProgram = true;
    if (!served(ctx.req)) throw misdirected(`This server answers for ${host} only. Open ${issuer} instead.`);
    if (!ctx.req.url?.startsWith('/') && ctx.req.url !== '*') {
      throw badRequest(undefined, 'The request target must be a path.');
    }
    return next();
  };
}
