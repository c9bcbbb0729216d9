import type { Context } from 'koa';
import { ANYBODY, wantsOther } from './bound-person.ts';
import { pendingOf } from './guards.ts';
import type { Screens } from './screens.ts';
import type { UpstreamOffer } from './upstream-offer.ts';
import { upstreamPath } from './upstream-paths.ts';
import { upstreamView } from './upstream-view.ts';
import type { LoginView } from './views.ts';

/** What the sign-in page offers besides a password. `without` is a provider that was tried and could not do it. */
export type UpstreamButtons = (ctx: Context, without?: string) => Promise<Required<LoginView>['upstreams']>;

interface UpstreamButtonsOptions {
  screens: Screens;
  upstreamOffer: UpstreamOffer;
}

export function createUpstreamButtons({ screens, upstreamOffer }: UpstreamButtonsOptions): UpstreamButtons {
  return async function upstreamButtons(ctx, without) {
    const { uid } = pendingOf(ctx);
    const other = wantsOther(ctx) ? ANYBODY : '';
    const offered = (await upstreamOffer(ctx)).filter(({ provider }) => provider !== without);
    return offered.map((upstream) => ({
      ...upstreamView(upstream, screens.assets),
      action: upstreamPath(uid, upstream.provider) + other,
    }));
  };
}
