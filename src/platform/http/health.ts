import type { Middleware } from 'koa';
import type { Logger } from '../logger.ts';
import type { Metrics } from '../metrics.ts';

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

export interface ReadinessOptions {
  isStopping(): boolean;
  /** What this node cannot do without, by name. Each bounds its own time. */
  checks: Record<string, () => boolean | Promise<boolean>>;
  metrics: Metrics;
  logger: Pick<Logger, 'warn'>;
}

/** Whether this node can do its work. However many ask at once, everything is looked at once. */
export function createReadiness({ isStopping, checks, metrics, logger }: ReadinessOptions): () => Promise<boolean> {
  const known = new Map(Object.keys(checks).map((name) => [name, true]));
  let flight: Promise<boolean> | undefined;
  metrics.gauge(
    'daemun_ready',
    'What the last answer of /readyz went by: 1 is well.',
    ['check'],
    (set) => {
      for (const [check, isWell] of known) set(isWell ? 1 : 0, { check });
    },
    'min',
  );

  async function lookAt([name, check]: [string, () => boolean | Promise<boolean>]): Promise<boolean> {
    const isWell = await Promise.resolve()
      .then(check)
      .catch(() => false);
    if (isWell !== known.get(name)) logger.warn({ check: name, isWell }, isWell ? 'ready again' : 'not ready');
    known.set(name, isWell);
    return isWell;
  }

  return async () => {
    if (isStopping()) return false;
    flight ??= Promise.all(Object.entries(checks).map(lookAt))
      .then((all) => all.every(Boolean))
      .finally(() => {
        flight = undefined;
      });
    return flight;
  };
}
