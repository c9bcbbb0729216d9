import type { Context } from 'koa';
import { notFound } from '../platform/errors.ts';
import type { Csrf } from '../platform/http/csrf.ts';
import { auditContextOf } from '../provider/audit-context.ts';
import type { DeviceCookie } from './device-cookie.ts';
import { firstChangePassword } from './first-change-password.ts';
import { formOf, interactionPath, pendingOf } from './guards.ts';
import type { CompleteLink } from './link-completion.ts';
import { followedLink, type LinkProofs, triedProof } from './link-proofs.ts';
import { answerToRefused, type RefusedPassword } from './password-refusal.ts';
import { initialOf } from './person-view.ts';
import type { Federates, InvitesAccounts, SignsIn, SignsInElsewhere } from './ports.ts';
import type { Screens } from './screens.ts';
import { linkPath } from './upstream-paths.ts';
import { upstreamView } from './upstream-view.ts';
import type { Problems } from './views.ts';

interface LinkOptions {
  screens: Screens;
  upstreams: Pick<SignsInElsewhere, 'find'>;
  federation: Pick<Federates, 'findLink' | 'isElsewhere' | 'keepForNewPassword'>;
  linkProofs: LinkProofs;
  completeLink: CompleteLink;
  leaveToProve(ctx: Context, provider: string, proof: { link: string; loginName: string }): Promise<void>;
  signIn: SignsIn;
  oneTimeLinks: InvitesAccounts;
  csrf: Csrf;
  deviceCookie: DeviceCookie;
  showLinkSpent(ctx: Context): void;
  showOtherBrowser(ctx: Context): void;
}

/** What is said instead of "name or password": only the password was asked for. */
const WRONG: Problems = {
  summary: { key: 'link.refused' },
  credentials: true,
};

/**
 * An upstream vouches for an address that an account here has. That alone opens nothing: whoever wants both to be one proves the
 * account here first. S-094, S-103, S-104
 */
export function createLink(options: LinkOptions) {
  const { screens, upstreams, federation, linkProofs, completeLink, signIn, oneTimeLinks, csrf, deviceCookie } =
    options;

  async function findLink(ctx: Context) {
    const found = await federation.findLink(followedLink(ctx, csrf, ctx.params.link));
    const upstream = found && upstreams.find(found.provider);
    return found && upstream && { ...found, upstream, proofs: await linkProofs(found) };
  }

  /** Nothing of the link is told; one that waits in another browser is not said to be over. */
  async function showLost(ctx: Context): Promise<void> {
    const isElsewhere = await federation.isElsewhere(followedLink(ctx, csrf, ctx.params.link));
    return isElsewhere ? options.showOtherBrowser(ctx) : options.showLinkSpent(ctx);
  }

  type Found = NonNullable<Awaited<ReturnType<typeof findLink>>>;

  function show(
    ctx: Context,
    { account, upstream, proofs }: Found,
    refused?: { status: number; problems: Problems },
  ): void {
    const { uid, params } = pendingOf(ctx);
    const path = linkPath(uid, ctx.params.link);
    const notice = refused ? undefined : triedProof(ctx, upstreams);
    const view = {
      action: path,
      csrf: csrf.token(ctx),
      upstream: upstreamView(upstream, screens.assets),
      account: { loginName: account.loginName, initial: initialOf(account.loginName) },
      hasPassword: account.hasPassword,
      ...(proofs.length && {
        proofs: proofs.map((proof) => ({
          ...upstreamView(proof, screens.assets),
          action: linkPath(uid, ctx.params.link, proof.provider),
        })),
      }),
      backUrl: interactionPath(uid),
      ...(refused && { problems: refused.problems }),
      ...(notice && { notice }),
    };
    screens.show(ctx, 'link', view, {
      ...(refused && { status: refused.status }),
      ...(params.uiLocales && { uiLocales: params.uiLocales }),
      interaction: uid,
      path: notice ? ctx.url : path,
      formAction: 'anywhere',
    });
  }

  function refuse(ctx: Context, found: Found, outcome: RefusedPassword): void {
    if ('retryAfter' in outcome) ctx.set('Retry-After', String(outcome.retryAfter));
    const answer = answerToRefused(outcome);
    show(ctx, found, outcome.kind === 'refused' ? { ...answer, problems: WRONG } : answer);
  }

  return {
    async show(ctx: Context): Promise<void> {
      const found = await findLink(ctx);
      return found ? show(ctx, found) : showLost(ctx);
    },

    async submit(ctx: Context): Promise<void> {
      const found = await findLink(ctx);
      if (!found) return showLost(ctx);
      const { account, provider } = found;
      const { password = '' } = formOf(ctx);
      if (!password) {
        const fields = { password: { key: 'login.password.missing' } };
        return show(ctx, found, { status: 422, problems: { fields } });
      }
      const deviceToken = deviceCookie.read(ctx);
      const attempt = { login: account.loginName, password, ...(deviceToken && { deviceToken }) };
      const proven = await signIn.withPassword(attempt, auditContextOf(ctx.state));
      if (proven.kind !== 'signed_in') return refuse(ctx, found, proven);
      // An address can change hands between the page and the answer.
      if (proven.account.id !== account.id) return refuse(ctx, found, { kind: 'refused' });

      deviceCookie.write(ctx, proven.deviceToken);
      const { link } = ctx.params;
      if (proven.mustChangePassword) {
        await federation.keepForNewPassword({ ...followedLink(ctx, csrf, link), accountId: account.id });
        return firstChangePassword(ctx, oneTimeLinks, proven, link);
      }
      const { accessGeneration, amr } = proven;
      const proof = { link, provider, accountId: account.id, accessGeneration, amr };
      return completeLink(ctx, proof, options.showLinkSpent);
    },

    /** POST /interaction/:uid/link/:link/:provider: off to a provider that the account is connected to already. */
    async prove(ctx: Context): Promise<void> {
      const found = await findLink(ctx);
      if (!found) return showLost(ctx);
      const { link, provider } = ctx.params;
      if (!found.proofs.some((proof) => proof.provider === provider)) throw notFound();
      return options.leaveToProve(ctx, provider, { link, loginName: found.account.loginName });
    },
  };
}
