import type { Context } from 'koa';
import type { IdentityProof } from '../accounts/federation.ts';
import type { Csrf } from '../platform/http/csrf.ts';
import { BY_UPSTREAM } from '../provider/assurance.ts';
import { auditContextOf } from '../provider/audit-context.ts';
import type { IdentityProvider } from '../provider/identity-provider.ts';
import { pendingOf } from './guards.ts';
import { followedLink, toLinkPage } from './link-proofs.ts';
import type { Federates, KeepsTokens } from './ports.ts';
import { toProblem } from './upstream-error.ts';

interface LinkCompletionOptions {
  identityProvider: Pick<IdentityProvider, 'finishInteraction'>;
  federation: Pick<Federates, 'completeLink'>;
  csrf: Pick<Csrf, 'token'>;
  tokenVault?: KeepsTokens;
}

export interface ProvenAccount {
  link: string;
  /** The one that is linked. */
  provider: string;
  accountId: string;
  /** By what, when it was not by its password. */
  proof?: IdentityProof;
  /** Of when the account was proven: whatever ended access since then ends this too. */
  accessGeneration?: number;
  /** What was done besides the upstream's word. */
  amr?: string[];
}

/** The end of a link, however the account was proven: once, and signed in with all that was done. */
export type CompleteLink = (ctx: Context, proven: ProvenAccount, onSpent: (ctx: Context) => void) => Promise<void>;

export function createLinkCompletion(options: LinkCompletionOptions): CompleteLink {
  const { identityProvider, federation, csrf, tokenVault } = options;
  return async function completeLink(ctx, { link, provider, accountId, proof, accessGeneration, amr = [] }, onSpent) {
    const { uid } = pendingOf(ctx);
    const input = { ...followedLink(ctx, csrf, link), accountId, ...(proof && { proof }) };
    const outcome = await federation.completeLink(input, auditContextOf(ctx.state));
    if (outcome.kind === 'unproven') return toLinkPage(ctx, link, proof?.provider ?? provider, 'other');
    if (outcome.kind === 'spent') return onSpent(ctx);
    if (outcome.kind === 'taken') return toProblem(ctx, uid, provider, 'taken');
    if (outcome.kind === 'refused') return toProblem(ctx, uid, provider, 'account-disabled');
    if (outcome.waited) await tokenVault?.keepSealed(outcome.waited, outcome.waited.sealedTokens);
    return identityProvider.finishInteraction(ctx, {
      login: { accountId, accessGeneration, amr: [BY_UPSTREAM, ...amr], provider },
    });
  };
}
