import type { Context } from 'koa';
import { notFound } from '../platform/errors.ts';
import { seeOther } from './guards.ts';
import type { SignsInElsewhere } from './ports.ts';
import { toLostProblem } from './upstream-error.ts';
import { upstreamPath } from './upstream-paths.ts';
import { readUpstreamResponse } from './upstream-response.ts';

/**
 * GET /callback/:provider. Nobody is known here: the cookies of an interaction go to its own addresses only, so the browser is sent
 * on to the one that its state belongs to, which proves that it is the browser that left. Nothing is used up on the way. S-095
 */
export function createUpstreamCallback({ upstreams }: { upstreams: Pick<SignsInElsewhere, 'find' | 'interactionOf'> }) {
  return async function upstreamCallback(ctx: Context): Promise<void> {
    const { provider } = ctx.params;
    if (!upstreams.find(provider)) throw notFound();
    const response = readUpstreamResponse(ctx.querystring);
    if (!response) return toLostProblem(ctx, provider, 'invalid');
    const state = response.get('state');
    // Providers that fail early lose the state; anybody can write such an address.
    if (!state) return toLostProblem(ctx, provider, response.has('error') ? 'unfinished' : 'unknown');
    const uid = await upstreams.interactionOf(provider, state);
    if (uid === undefined) return toLostProblem(ctx, provider, 'unknown');
    seeOther(ctx, `${upstreamPath(uid, provider)}?${response}`);
  };
}
