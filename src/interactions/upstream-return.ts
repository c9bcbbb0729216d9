import type { Context, Middleware } from 'koa';
import { isAppError, notFound } from '../platform/errors.ts';
import { BY_UPSTREAM } from '../provider/assurance.ts';
import { auditContextOf } from '../provider/audit-context.ts';
import type { IdentityProvider } from '../provider/identity-provider.ts';
import type { UpstreamIdentity, UpstreamTokens } from '../upstreams/upstream.ts';
import { findBoundPerson } from './bound-person.ts';
import { pendingOf, seeOther } from './guards.ts';
import type { Federates, FindsAccounts, KeepsTokens, SignsInElsewhere } from './ports.ts';
import { toLostProblem, toProblem } from './upstream-error.ts';
import { linkPath } from './upstream-paths.ts';
import { type LostProblem, problemOfAnswer, REFUSALS, type UpstreamProblem } from './upstream-problems.ts';
import { readUpstreamResponse } from './upstream-response.ts';
import type { UpstreamVisits } from './upstream-visit.ts';

interface UpstreamReturnOptions {
  identityProvider: Pick<IdentityProvider, 'finishInteraction'>;
  accounts: FindsAccounts;
  upstreams: Pick<SignsInElsewhere, 'find' | 'finish'>;
  federation: Pick<Federates, 'signIn' | 'askForProof'>;
  tokenVault?: KeepsTokens;
  visits: UpstreamVisits;
}

/** GET /interaction/:uid/upstream/:provider: back from there, in the browser that left. */
export function createUpstreamReturn(options: UpstreamReturnOptions) {
  const { identityProvider, accounts, upstreams, federation, tokenVault, visits } = options;
  const goTo = (ctx: Context, problem: UpstreamProblem) =>
    toProblem(ctx, pendingOf(ctx).uid, ctx.params.provider, problem);

  /** The account that this must be, when the page was for one person. S-016 */
  async function onlyAccount(ctx: Context): Promise<string | undefined> {
    if (visits.read(ctx) === 'anybody') return undefined;
    return (await findBoundPerson(accounts, pendingOf(ctx)))?.id;
  }

  /** Whoever it is there, one account here or none. */
  async function enter(ctx: Context, identity: UpstreamIdentity, tokens?: UpstreamTokens): Promise<void> {
    const { uid } = pendingOf(ctx);
    const only = await onlyAccount(ctx);
    const outcome = await federation.signIn(identity, auditContextOf(ctx.state), only);
    if (outcome.kind === 'refused') return goTo(ctx, REFUSALS[outcome.reason]);
    const accountId = outcome.kind === 'link_required' ? outcome.accountId : outcome.account.id;
    if (only !== undefined && accountId !== only) return goTo(ctx, 'other-account');
    if (outcome.kind === 'link_required') {
      const sealedTokens = tokens && tokenVault?.seal(identity, tokens);
      const waiting = { identity, accountId, interaction: uid, ...(sealedTokens && { sealedTokens }) };
      const { link } = await federation.askForProof(waiting);
      return seeOther(ctx, linkPath(uid, link));
    }
    if (tokens) await tokenVault?.keep(identity, tokens);
    const { accessGeneration } = outcome.account;
    await identityProvider.finishInteraction(ctx, {
      login: { accountId, accessGeneration, amr: [BY_UPSTREAM], provider: identity.provider },
    });
  }

  return async function upstreamReturn(ctx: Context): Promise<void> {
    const { provider } = ctx.params;
    ctx.set('Cache-Control', 'no-store');
    const response = readUpstreamResponse(ctx.querystring);
    if (!response) return goTo(ctx, 'invalid');
    const interaction = pendingOf(ctx).uid;
    const answer = await upstreams.finish({ provider, interaction, response }, auditContextOf(ctx.state));
    if (answer.kind !== 'identified') return goTo(ctx, problemOfAnswer(answer));
    return enter(ctx, answer.identity, answer.tokens);
  };
}

/**
 * Ahead of the guard that finds the interaction: who comes back to one that this browser does not have is told so, at an address
 * without the code. S-095, S-154
 */
export function findReturning(
  upstreams: Pick<SignsInElsewhere, 'find' | 'fateOf'>,
  findPending: Middleware,
): Middleware {
  /** Who reloads the page that signed them in, or goes back to it, is in the right browser: the sign-in is over. */
  async function lostBy(ctx: Context): Promise<LostProblem> {
    const { provider, uid } = ctx.params;
    const state = readUpstreamResponse(ctx.querystring)?.get('state');
    return (state && (await upstreams.fateOf({ provider, interaction: uid, state }))) || 'other-browser';
  }

  return async function findReturning(ctx, next) {
    const { provider } = ctx.params;
    if (!upstreams.find(provider)) throw notFound();
    // A look that wants no answer spends nothing.
    if (ctx.method !== 'GET') return toLostProblem(ctx, provider, 'unknown');
    let isHere = false;
    try {
      await findPending(ctx, async () => {
        isHere = true;
      });
    } catch (error) {
      if (!isAppError(error) || error.code !== 'interaction_expired') throw error;
      return toLostProblem(ctx, provider, await lostBy(ctx));
    }
    if (isHere) await next();
  };
}
