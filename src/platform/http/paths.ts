import type { Middleware } from 'koa';
import { badRequest, notFound } from '../errors.ts';

// Empty, dot and parameter segments, backslashes, and anything encoded that needs no encoding in our paths.
const ODD_PATH = /\/\/|\/\.{1,2}(?:\/|$)|[\\;]|%(?:2e|2f|5c|3b|25|00)/i;
const MALFORMED_ENCODING = /%(?![\da-f]{2})/i;

/** Two spellings of one path must not meet different checks, so only the plain spelling exists. S-171 */
export function plainPaths(): Middleware {
  return function plainPaths(ctx, next) {
    const url = ctx.req.url ?? '/';
    const query = url.indexOf('?');
    const path = query < 0 ? url : url.slice(0, query);
    if (path.includes('%') && MALFORMED_ENCODING.test(path)) throw badRequest(undefined, 'The path is badly encoded.');
    if (ODD_PATH.test(path)) throw notFound();
    // PostgreSQL text cannot hold NUL; nobody means it.
    if (query >= 0 && url.includes('%00', query)) throw badRequest(undefined, 'The query contains a NUL character.');
    return next();
  };
}
