import type { Context, Middleware } from 'koa';
import { notFound } from '../platform/errors.ts';
import { wantsOther } from './bound-person.ts';
import { pendingOf, seeOther } from './guards.ts';
import type { SignsInElsewhere } from './ports.ts';
import { mayFederate } from './upstream-buttons.ts';
import { toProblem } from './upstream-error.ts';
import type { UpstreamVisits } from './upstream-visit.ts';

interface UpstreamStartOptions {
  upstreams: Pick<SignsInElsewhere, 'list' | 'begin'>;
  visits: UpstreamVisits;
  limitDepartures: Middleware;
}

/** Sends people off to another provider. */
export function createUpstreamStart({ upstreams, visits, limitDepartures }: UpstreamStartOptions) {
  async function begin(ctx: Context, provider: string) {
    // Each time something is kept for whoever asks.
    await limitDepartures(ctx, async () => {});
    const { uid, params, accountId } = pendingOf(ctx);
    const { loginHint, uiLocales, maxAge, freshSignIn } = params;
    const begun = await upstreams.begin({
      provider,
      interaction: uid,
      request: {
        ...(loginHint !== undefined && !wantsOther(ctx) && { loginHint }),
        ...(uiLocales && { uiLocales }),
        ...(maxAge !== undefined && { maxAge }),
        // Who is signed in and asked again shall not be waved through there either. S-016
        freshSignIn: freshSignIn || accountId !== undefined,
      },
    });
    if (begun.kind !== 'redirect') return begun;
    visits.write(ctx, uid, wantsOther(ctx) ? 'anybody' : 'bound');
    seeOther(ctx, begun.url);
    return begun;
  }

  return {
    /** POST /interaction/:uid/upstream/:provider, our own form. S-104 */
    async submit(ctx: Context): Promise<void> {
      const { provider } = ctx.params;
      const { kind } = await begin(ctx, provider);
      if (kind === 'unknown_provider') throw notFound();
      if (kind === 'disabled') toProblem(ctx, pendingOf(ctx).uid, provider, 'disabled');
    },

    /**
     * The application named a provider: off to it instead of the page, once. Whoever comes back from there without having got in
     * finds the page with all that it offers.
     */
    async follow(ctx: Context): Promise<boolean> {
      const pending = pendingOf(ctx);
      const { idpHint } = pending.params;
      if (idpHint === undefined || ctx.method !== 'GET' || wantsOther(ctx) || visits.read(ctx)) return false;
      if (!mayFederate(pending)) return false;
      const isOffered = (await upstreams.list()).some(({ provider }) => provider === idpHint);
      return isOffered && (await begin(ctx, idpHint)).kind === 'redirect';
    },
  };
}
