import type { Context } from 'koa';
import type { FollowedLink, FoundLink } from '../accounts/federation.ts';
import type { Csrf } from '../platform/http/csrf.ts';
import type { Message } from '../platform/http/messages.ts';
import type { NamedUpstream, SignInOutcome } from '../upstreams/sign-ins.ts';
import { pendingOf, seeOther } from './guards.ts';
import type { SignsInElsewhere } from './ports.ts';
import { linkPath } from './upstream-paths.ts';

/** A link as this browser follows it, in this interaction: nowhere else it opens anything. S-095, S-103 */
export function followedLink(ctx: Context, csrf: Pick<Csrf, 'token'>, link: string): FollowedLink {
  return { link, interaction: pendingOf(ctx).uid, browser: csrf.token(ctx) };
}

/** Where the account of a link can be proven, when it has no password: in the operator's order. */
export type LinkProofs = (found: FoundLink) => Promise<NamedUpstream[]>;

/** What the account is connected to, as far as it is enabled; of those that say when somebody signed in, only these. S-164 */
export function createLinkProofs({ upstreams }: { upstreams: Pick<SignsInElsewhere, 'list'> }): LinkProofs {
  return async function linkProofs({ provenAt }) {
    if (!provenAt.length) return [];
    const open = (await upstreams.list()).filter(({ provider }) => provenAt.includes(provider));
    const sayWhen = open.filter(({ saysWhen }) => saysWhen);
    return sayWhen.length ? sayWhen : open;
  };
}

/** Why a proof by another provider was none. */
const PROOF_PROBLEMS = {
  cancelled: 'link.tried.cancelled',
  stale: 'link.tried.stale',
  other: 'link.tried.other',
  failed: 'link.tried.failed',
} as const;

export type ProofProblem = keyof typeof PROOF_PROBLEMS;

export function proofProblemOf(answer: Exclude<SignInOutcome, { kind: 'identified' }>): ProofProblem {
  if (answer.kind === 'denied') return 'cancelled';
  return answer.kind === 'failed' && answer.reason === 'stale_sign_in' ? 'stale' : 'failed';
}

/** Back to the page of the link, which is as good as it was, and says what went wrong. */
export function toLinkPage(ctx: Context, link: string, provider: string, problem: ProofProblem): void {
  const tried = new URLSearchParams({ tried: provider, problem });
  seeOther(ctx, `${linkPath(pendingOf(ctx).uid, link)}?${tried}`);
}

/** What was tried, in words. A stranger who writes such an address changes a sentence on a page. */
export function triedProof(ctx: Context, upstreams: Pick<SignsInElsewhere, 'find'>): Message | undefined {
  const { tried, problem } = ctx.query;
  const upstream = typeof tried === 'string' ? upstreams.find(tried) : undefined;
  if (!upstream || typeof problem !== 'string' || !Object.hasOwn(PROOF_PROBLEMS, problem)) return undefined;
  return { key: PROOF_PROBLEMS[problem as ProofProblem], args: { provider: upstream.displayName } };
}
