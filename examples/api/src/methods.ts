import type { RouterContext } from '@koa/router';
import type { Middleware } from 'koa';
import { Problem } from './problem.ts';

/** Comes after the router: what it did not take has either a wrong method or a wrong path. */
export const refuseOtherMethods: Middleware = async (ctx) => {
  const allowed = new Set((ctx as RouterContext).matched?.flatMap(({ methods }) => methods));
  if (allowed.size === 0) throw new Problem(404, 'There is nothing at this path.');
  const allow = [...allowed].sort().join(', ');
  throw new Problem(405, `This path takes ${allow}.`, { headers: { allow } });
};
