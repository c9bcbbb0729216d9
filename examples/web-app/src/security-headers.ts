import type { Middleware } from 'koa';

/**
 * Only our own style and script, no framing, nothing inline. Forms may lead to the provider, because browsers hold
 * `form-action` against the redirects that follow a form, too.
 */
export function securityHeaders(issuer: string): Middleware {
  const policy = [
    "default-src 'none'",
    "style-src 'self'",
    "script-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    `form-action 'self' ${new URL(issuer).origin}`,
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ].join('; ');
  return async (ctx, next) => {
    ctx.set({
      'content-security-policy': policy,
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
    });
    await next();
  };
}
