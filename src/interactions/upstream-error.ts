import type { Context } from 'koa';
import { notFound } from '../platform/errors.ts';
import { interactionPath, pendingOf, seeOther } from './guards.ts';
import type { SignsInElsewhere } from './ports.ts';
import type { Screens } from './screens.ts';
import { callbackPath, upstreamPath } from './upstream-paths.ts';
import { LOST_PROBLEMS, type LostProblem, PROBLEMS, type UpstreamProblem } from './upstream-problems.ts';
import { upstreamView } from './upstream-view.ts';
import type { UpstreamView } from './views.ts';

interface UpstreamErrorOptions {
  screens: Screens;
  upstreams: Pick<SignsInElsewhere, 'find'>;
}

/**
 * Sends the browser to the page of a problem: the address that an upstream sent it to has a code and a state, and is never the
 * address of a page, in the history or on a screen.
 */
export function toProblem(ctx: Context, uid: string, provider: string, problem: UpstreamProblem): void {
  seeOther(ctx, `${upstreamPath(uid, provider)}/${problem}`);
}

export function toLostProblem(ctx: Context, provider: string, problem: LostProblem): void {
  seeOther(ctx, `${callbackPath(provider)}/${problem}`);
}

export function createUpstreamError({ screens, upstreams }: UpstreamErrorOptions) {
  function viewOf(provider: string): UpstreamView {
    const known = upstreams.find(provider);
    if (!known) throw notFound();
    return upstreamView(known, screens.assets);
  }

  /** A problem without the interaction that it happened in: there is nothing here to go back to. */
  function showLost(ctx: Context): void {
    const { provider, problem } = ctx.params;
    const upstream = viewOf(provider);
    if (!Object.hasOwn(LOST_PROBLEMS, problem)) throw notFound();
    lost(ctx, problem as LostProblem, upstream);
  }

  function lost(ctx: Context, problem: LostProblem, upstream?: UpstreamView): void {
    const { status, title, text } = LOST_PROBLEMS[problem];
    const args = upstream && { args: { provider: upstream.name } };
    const view = {
      code: problem,
      title: { ...title, ...args },
      text: { ...text, ...args },
      ...(upstream && { upstream }),
    };
    screens.show(ctx, 'upstream-error', view, { status, path: ctx.path });
  }

  function show(ctx: Context, problem: UpstreamProblem, upstream?: UpstreamView): void {
    const { uid, params, client } = pendingOf(ctx);
    const { status, title, text } = PROBLEMS[problem];
    const args = { client: client.name, ...(upstream && { provider: upstream.name }) };
    const view = {
      code: problem,
      title: { ...title, args },
      text: { ...text, args },
      signInUrl: interactionPath(uid),
      ...(upstream && { upstream }),
    };
    screens.show(ctx, 'upstream-error', view, {
      status,
      ...(params.uiLocales && { uiLocales: params.uiLocales }),
      interaction: uid,
      path: ctx.path,
    });
  }

  return {
    showLost,

    show(ctx: Context): void {
      const { provider, problem } = ctx.params;
      const upstream = viewOf(provider);
      if (!Object.hasOwn(PROBLEMS, problem)) throw notFound();
      show(ctx, problem as UpstreamProblem, upstream);
    },

    /** Which provider it was is gone with the link. */
    showLinkSpent: (ctx: Context) => show(ctx, 'link-spent'),

    /** The same of a link that is not for whoever opened it: not even its provider is told. S-095 */
    showOtherBrowser: (ctx: Context) => lost(ctx, 'other-browser'),
  };
}
