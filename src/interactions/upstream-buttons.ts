import type { Context } from 'koa';
import { FEDERATED } from '../provider/assurance.ts';
import type { PendingInteraction } from '../provider/identity-provider.ts';
import { ANYBODY, wantsOther } from './bound-person.ts';
import { pendingOf } from './guards.ts';
import type { SignsInElsewhere } from './ports.ts';
import type { Screens } from './screens.ts';
import { upstreamPath } from './upstream-paths.ts';
import { upstreamView } from './upstream-view.ts';
import type { LoginView } from './views.ts';

/** What the sign-in page offers besides a password, in the operator's order. */
export type UpstreamButtons = (ctx: Context) => Promise<Required<LoginView>['upstreams']>;

interface UpstreamButtonsOptions {
  screens: Screens;
  upstreams: Pick<SignsInElsewhere, 'list'>;
}

export function createUpstreamButtons({ screens, upstreams }: UpstreamButtonsOptions): UpstreamButtons {
  return async function upstreamButtons(ctx) {
    const pending = pendingOf(ctx);
    if (!mayFederate(pending)) return [];
    const other = wantsOther(ctx) ? ANYBODY : '';
    return (await upstreams.list()).map((upstream) => ({
      ...upstreamView(upstream, screens.assets),
      action: upstreamPath(pending.uid, upstream.provider) + other,
    }));
  };
}

/** An application that insists on more than another's word would refuse whoever comes in by it. */
export function mayFederate({ params: { essentialAcrs } }: PendingInteraction): boolean {
  return !essentialAcrs || essentialAcrs.includes(FEDERATED);
}
