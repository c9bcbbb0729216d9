import type { Middleware } from 'koa';
import { unavailable } from '../errors.ts';

/** Files of ours, which error pages need too. */
const WITHOUT_DATABASE = '/assets/';

/**
 * While the database is known not to answer, a page says so at once instead of after every timeout on the way.
 * @throws AppError unavailable
 */
export function refuseWhileAway(isAway: () => boolean): Middleware {
  return function refuseWhileAway(ctx, next) {
    if (isAway() && !ctx.path.startsWith(WITHOUT_DATABASE)) throw unavailable(2);
    return next();
  };
}
