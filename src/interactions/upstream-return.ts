import type { Context, Middleware } from 'koa';
import { isAppError, notFound } from '../platform/errors.ts';
import type { Csrf } from '../platform/http/csrf.ts';
import { BY_UPSTREAM } from '../provider/assurance.ts';
import { auditContextOf } from '../provider/audit-context.ts';
import type { IdentityProvider } from '../provider/identity-provider.ts';
import type { SignInOutcome } from '../upstreams/sign-ins.ts';
import type { UpstreamIdentity, UpstreamTokens } from '../upstreams/upstream.ts';
import { findBoundPerson } from './bound-person.ts';
import { pendingOf, seeOther } from './guards.ts';
import type { CompleteLink } from './link-completion.ts';
import { followedLink, type LinkProofs, proofProblemOf, toLinkPage } from './link-proofs.ts';
import { toPasswordNeeded } from './password-needed.ts';
import type { Federates, FindsAccounts, KeepsTokens, SignsInElsewhere } from './ports.ts';
import { toLostProblem, toProblem } from './upstream-error.ts';
import { wantsProofOfNow } from './upstream-offer.ts';
import { linkPath } from './upstream-paths.ts';
import { type LostProblem, problemOfAnswer, REFUSALS, type UpstreamProblem } from './upstream-problems.ts';
import { readUpstreamResponse } from './upstream-response.ts';
import type { UpstreamVisits } from './upstream-visit.ts';

interface UpstreamReturnOptions {
  identityProvider: Pick<IdentityProvider, 'finishInteraction'>;
  accounts: FindsAccounts;
  upstreams: Pick<SignsInElsewhere, 'find' | 'finish'>;
  federation: Pick<Federates, 'signIn' | 'askForProof' | 'findLink'>;
  linkProofs: LinkProofs;
  completeLink: CompleteLink;
  csrf: Pick<Csrf, 'token'>;
  tokenVault?: KeepsTokens;
  visits: UpstreamVisits;
}

type Proving = Extract<SignInOutcome, { kind: 'identified'; link: string }>;

/** GET /interaction/:uid/upstream/:provider: back from there, in the browser that left. */
export function createUpstreamReturn(options: UpstreamReturnOptions) {
  const { identityProvider, accounts, upstreams, federation, linkProofs, completeLink, tokenVault, visits, csrf } =
    options;
  const goTo = (ctx: Context, problem: UpstreamProblem) =>
    toProblem(ctx, pendingOf(ctx).uid, ctx.params.provider, problem);

  /** The account that this must be, when the page was for one person. S-016 */
  async function onlyAccount(ctx: Context): Promise<string | undefined> {
    if (visits.read(ctx) === 'anybody') return undefined;
    return (await findBoundPerson(accounts, pendingOf(ctx)))?.id;
  }

  /** Whoever it is there, one account here or none. */
  async function enter(ctx: Context, identity: UpstreamIdentity, tokens?: UpstreamTokens): Promise<void> {
    const pending = pendingOf(ctx);
    const { uid } = pending;
    const only = await onlyAccount(ctx);
    // What the provider says of when was held against the request already; one that says nothing proves nothing. S-016
    const unlessPassword = wantsProofOfNow(pending) && identity.authTime === undefined;
    const demands = { ...(only !== undefined && { only }), ...(unlessPassword && { unlessPassword }) };
    const outcome = await federation.signIn(identity, auditContextOf(ctx.state), demands);
    if (outcome.kind === 'refused') {
      const { reason } = outcome;
      if (reason !== 'password_needed') return goTo(ctx, REFUSALS[reason]);
      return toPasswordNeeded(ctx, identity.provider, { anybody: visits.read(ctx) === 'anybody' });
    }
    const accountId = outcome.kind === 'link_required' ? outcome.accountId : outcome.account.id;
    if (only !== undefined && accountId !== only) return goTo(ctx, 'other-account');
    if (outcome.kind === 'link_required') {
      const sealedTokens = tokens && tokenVault?.seal(identity, tokens);
      const place = { interaction: uid, browser: csrf.token(ctx) };
      const waiting = { identity, accountId, ...place, ...(sealedTokens && { sealedTokens }) };
      const { link } = await federation.askForProof(waiting);
      return seeOther(ctx, linkPath(uid, link));
    }
    if (tokens) await tokenVault?.keep(identity, tokens);
    const { accessGeneration } = outcome.account;
    await identityProvider.finishInteraction(ctx, {
      login: { accountId, accessGeneration, amr: [BY_UPSTREAM], provider: identity.provider },
    });
  }

  /** Back to a link: exactly the account that it is about, by an identity that was linked to it before. S-103 */
  async function prove(ctx: Context, { identity, tokens, link, connectionVersion }: Proving): Promise<void> {
    const found = await federation.findLink(followedLink(ctx, csrf, link));
    if (!found) return goTo(ctx, 'link-spent');
    const { id } = found.account;
    const { provider, subject, authTime } = identity;
    // Where something that says when can be had, nothing less will do. S-164
    if (authTime === undefined && (await linkProofs(found)).some(({ saysWhen }) => saysWhen)) {
      return toLinkPage(ctx, link, provider, 'stale');
    }
    const outcome = await federation.signIn(identity, auditContextOf(ctx.state), { only: id });
    if (outcome.kind === 'refused' && outcome.reason === 'account_disabled') return goTo(ctx, 'account-disabled');
    if (outcome.kind !== 'known' || outcome.account.id !== id) {
      return toLinkPage(ctx, link, provider, 'other');
    }
    if (tokens) await tokenVault?.keep(identity, tokens);
    const { accessGeneration } = outcome.account;
    const proof = { provider, subject, connectionVersion };
    const proven = { link, provider: found.provider, accountId: id, proof, accessGeneration };
    return completeLink(ctx, proven, () => goTo(ctx, 'link-spent'));
  }

  return async function upstreamReturn(ctx: Context): Promise<void> {
    const { provider } = ctx.params;
    ctx.set('Cache-Control', 'no-store');
    const response = readUpstreamResponse(ctx.querystring);
    if (!response) return goTo(ctx, 'invalid');
    const interaction = pendingOf(ctx).uid;
    const journey = { provider, interaction, browser: csrf.token(ctx), response };
    const answer = await upstreams.finish(journey, auditContextOf(ctx.state));
    if (answer.kind === 'identified') {
      return answer.link === undefined ? enter(ctx, answer.identity, answer.tokens) : prove(ctx, answer);
    }
    if (answer.link !== undefined) return toLinkPage(ctx, answer.link, provider, proofProblemOf(answer));
    return goTo(ctx, problemOfAnswer(answer));
  };
}

/**
 * Ahead of the guard that finds the interaction: who comes back to one that this browser does not have is told so, at an address
 * without the code. S-095, S-154
 */
export function findReturning(
  upstreams: Pick<SignsInElsewhere, 'find' | 'fateOf'>,
  csrf: Pick<Csrf, 'token'>,
  findPending: Middleware,
): Middleware {
  /** Who reloads the page that signed them in, or goes back to it, is in the right browser: the sign-in is over. */
  async function lostBy(ctx: Context): Promise<LostProblem> {
    const { provider, uid } = ctx.params;
    const state = readUpstreamResponse(ctx.querystring)?.get('state');
    const fate = state && (await upstreams.fateOf({ provider, interaction: uid, browser: csrf.token(ctx), state }));
    return fate || 'other-browser';
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
