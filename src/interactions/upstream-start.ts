import type { Context, Middleware } from 'koa';
import { isAppError, notFound } from '../platform/errors.ts';
import type { Csrf } from '../platform/http/csrf.ts';
import type { Message } from '../platform/http/messages.ts';
import type { UpstreamRequest } from '../upstreams/upstream.ts';
import { wantsOther } from './bound-person.ts';
import { pendingOf, seeOther } from './guards.ts';
import type { ShowLogin } from './login.ts';
import type { SignsInElsewhere } from './ports.ts';
import { toProblem } from './upstream-error.ts';
import type { UpstreamOffer } from './upstream-offer.ts';
import type { UpstreamVisits } from './upstream-visit.ts';

interface UpstreamStartOptions {
  upstreams: Pick<SignsInElsewhere, 'find' | 'begin'>;
  upstreamOffer: UpstreamOffer;
  visits: UpstreamVisits;
  csrf: Pick<Csrf, 'token'>;
  limitDepartures: Middleware;
  showLogin(ctx: Context, shown?: ShowLogin): Promise<void>;
}

interface Departure {
  request: UpstreamRequest;
  /** The link that it shall prove the account of. */
  link?: string;
}

type Left = 'left' | 'disabled' | 'unavailable' | { notice: Message; retryAfter: number };

/** Sends people off to another provider. */
export function createUpstreamStart(options: UpstreamStartOptions) {
  const { upstreams, upstreamOffer, visits, csrf, limitDepartures, showLogin } = options;

  async function leave(ctx: Context, provider: string, departure: Departure): Promise<Left> {
    const upstream = upstreams.find(provider);
    if (!upstream) throw notFound();
    const retryAfter = await waitingTime(ctx);
    if (retryAfter !== undefined) {
      const args = { provider: upstream.displayName, duration: { seconds: retryAfter } };
      return { notice: { key: 'login.upstream-throttled', args }, retryAfter };
    }
    const { uid } = pendingOf(ctx);
    // The cookies of an interaction can be planted by a neighbouring host, with an answer that fits them; this one cannot.
    const browser = csrf.token(ctx);
    const begun = await upstreams.begin({ provider, interaction: uid, browser, ...departure });
    if (begun.kind === 'unknown_provider') throw notFound();
    if (begun.kind === 'disabled') return 'disabled';
    if (begun.kind === 'failed') return 'unavailable';
    visits.write(ctx, uid, wantsOther(ctx) ? 'anybody' : 'bound');
    seeOther(ctx, begun.url);
    return 'left';
  }

  /** Each time something is kept for whoever asks. Undefined when there is nothing to wait for, otherwise seconds. */
  async function waitingTime(ctx: Context): Promise<number | undefined> {
    try {
      await limitDepartures(ctx, async () => {});
      return undefined;
    } catch (error) {
      if (!isAppError(error) || error.code !== 'too_many_requests') throw error;
      return error.retryAfter ?? 60;
    }
  }

  /** Answers for whoever pressed a button and could not leave. */
  async function answer(ctx: Context, provider: string, departure: Departure): Promise<void> {
    const left = await leave(ctx, provider, departure);
    if (left === 'left') return;
    if (typeof left === 'string') return toProblem(ctx, pendingOf(ctx).uid, provider, left);
    ctx.set('Retry-After', String(left.retryAfter));
    await showLogin(ctx, { status: 429, notice: left.notice });
  }

  function requestOf(ctx: Context): UpstreamRequest {
    const { params, accountId } = pendingOf(ctx);
    const { loginHint, uiLocales, maxAge, freshSignIn } = params;
    return {
      ...(loginHint !== undefined && !wantsOther(ctx) && { loginHint }),
      ...(uiLocales && { uiLocales }),
      ...(maxAge !== undefined && { maxAge }),
      // Who is signed in and asked again shall not be waved through there either. S-016
      freshSignIn: freshSignIn || accountId !== undefined,
    };
  }

  return {
    /** POST /interaction/:uid/upstream/:provider, our own form. S-104 */
    submit: (ctx: Context) => answer(ctx, ctx.params.provider, { request: requestOf(ctx) }),

    /** To prove the account that a link is about, now: whoever has the address alone has to be somebody. S-103 */
    leaveToProve(ctx: Context, provider: string, { link, loginName }: { link: string; loginName: string }) {
      const { uiLocales } = pendingOf(ctx).params;
      const request = { loginHint: loginName, ...(uiLocales && { uiLocales }), freshSignIn: true };
      return answer(ctx, provider, { request, link });
    },

    /**
     * The application named a provider: off to it instead of the page, once. Whoever comes back from there without having got in
     * finds the page with all that it offers. Otherwise the page is to be shown.
     */
    async follow(ctx: Context): Promise<'left' | ShowLogin> {
      const { idpHint } = pendingOf(ctx).params;
      if (idpHint === undefined || ctx.method !== 'GET' || wantsOther(ctx) || visits.read(ctx)) return {};
      const isOffered = (await upstreamOffer(ctx)).some(({ provider }) => provider === idpHint);
      const left = isOffered ? await leave(ctx, idpHint, { request: requestOf(ctx) }) : 'disabled';
      if (left === 'left') return 'left';
      return typeof left === 'string' ? {} : { notice: left.notice };
    },
  };
}
