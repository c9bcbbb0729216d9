import type { Middleware } from 'koa';

/**
 * Opens the API to scripts of every origin. That is safe because nothing here looks at cookies: a page can only do what
 * the token it holds allows.
 */
export const cors: Middleware = async (ctx, next) => {
  ctx.set('access-control-allow-origin', '*');
  ctx.set('access-control-expose-headers', 'Allow, DPoP-Nonce, Location, Retry-After, WWW-Authenticate');
  if (ctx.method === 'OPTIONS' && ctx.get('access-control-request-method') !== '') {
    ctx.set('access-control-allow-methods', 'GET, HEAD, POST, PUT');
    ctx.set('access-control-allow-headers', 'Authorization, Content-Type, DPoP, Last-Event-ID');
    ctx.set('access-control-max-age', '600');
    ctx.status = 204;
    return;
  }
  await next();
};
