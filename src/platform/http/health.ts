import type { Middleware } from 'koa';

export function nameHealthRoute(path: string): string | undefined {
  return path === '/healthz' || path === '/readyz' ? path.slice(1) : undefined;
}

/**
 * `/healthz`: the process lives. `/readyz`: it can do its work and is not stopping. Before the host check, because load balancers
 * ask by address.
 */
export function health({ isReady }: { isReady: () => Promise<boolean> }): Middleware {
  return async function health(ctx, next) {
    if (ctx.path !== '/healthz' && ctx.path !== '/readyz') return next();
    ctx.set('Cache-Control', 'no-store');
    if (ctx.method !== 'GET' && ctx.method !== 'HEAD') {
      ctx.set('Allow', 'GET, HEAD');
      ctx.status = 405;
      return;
    }
    const well = ctx.path === '/healthz' || (await isReady().catch(() => false));
    ctx.status = well ? 200 : 503;
    ctx.body = { status: well ? 'ok' : 'unavailable' };
  };
}
