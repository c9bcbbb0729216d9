import type { Context } from 'koa';
import type { Csrf } from '../platform/http/csrf.ts';
import { BY_UPSTREAM } from '../provider/assurance.ts';
import { auditContextOf } from '../provider/audit-context.ts';
import type { IdentityProvider } from '../provider/identity-provider.ts';
import type { DeviceCookie } from './device-cookie.ts';
import { firstChangePassword } from './first-change-password.ts';
import { formOf, interactionPath, pendingOf } from './guards.ts';
import { answerToRefused, type RefusedPassword } from './password-refusal.ts';
import { initialOf } from './person-view.ts';
import type { Federates, InvitesAccounts, KeepsTokens, SignsIn, SignsInElsewhere } from './ports.ts';
import type { Screens } from './screens.ts';
import { toProblem } from './upstream-error.ts';
import { linkPath } from './upstream-paths.ts';
import { upstreamView } from './upstream-view.ts';
import type { Problems } from './views.ts';

interface LinkOptions {
  screens: Screens;
  identityProvider: Pick<IdentityProvider, 'finishInteraction'>;
  upstreams: Pick<SignsInElsewhere, 'find'>;
  federation: Pick<Federates, 'findLink' | 'completeLink'>;
  signIn: SignsIn;
  tokenVault?: KeepsTokens;
  oneTimeLinks: InvitesAccounts;
  csrf: Csrf;
  deviceCookie: DeviceCookie;
  showLinkSpent(ctx: Context): void;
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
  const { screens, identityProvider, upstreams, federation, signIn, tokenVault, oneTimeLinks, csrf, deviceCookie } =
    options;

  async function findLink(ctx: Context) {
    const found = await federation.findLink(ctx.params.link, pendingOf(ctx).uid);
    const upstream = found && upstreams.find(found.provider);
    return found && upstream && { ...found, upstream };
  }

  type Found = NonNullable<Awaited<ReturnType<typeof findLink>>>;

  function show(ctx: Context, { account, upstream }: Found, refused?: { status: number; problems: Problems }): void {
    const { uid, params } = pendingOf(ctx);
    const path = linkPath(uid, ctx.params.link);
    const view = {
      action: path,
      csrf: csrf.token(ctx),
      upstream: upstreamView(upstream, screens.assets),
      account: { loginName: account.loginName, initial: initialOf(account.loginName) },
      hasPassword: account.hasPassword,
      backUrl: interactionPath(uid),
      ...(refused && { problems: refused.problems }),
    };
    screens.show(ctx, 'link', view, {
      ...(refused && { status: refused.status }),
      ...(params.uiLocales && { uiLocales: params.uiLocales }),
      interaction: uid,
      path,
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
      return found ? show(ctx, found) : options.showLinkSpent(ctx);
    },

    async submit(ctx: Context): Promise<void> {
      const found = await findLink(ctx);
      if (!found) return options.showLinkSpent(ctx);
      const { account, provider } = found;
      const { password = '' } = formOf(ctx);
      if (!password) {
        const fields = { password: { key: 'login.password.missing' } };
        return show(ctx, found, { status: 422, problems: { fields } });
      }
      const by = auditContextOf(ctx.state);
      const deviceToken = deviceCookie.read(ctx);
      const attempt = { login: account.loginName, password, ...(deviceToken && { deviceToken }) };
      const proven = await signIn.withPassword(attempt, by);
      if (proven.kind !== 'signed_in') return refuse(ctx, found, proven);
      // An address can change hands between the page and the answer.
      if (proven.account.id !== account.id) return refuse(ctx, found, { kind: 'refused' });

      deviceCookie.write(ctx, proven.deviceToken);
      if (proven.mustChangePassword) return firstChangePassword(ctx, oneTimeLinks, proven);
      const { uid } = pendingOf(ctx);
      const outcome = await federation.completeLink(
        { link: ctx.params.link, interaction: uid, accountId: account.id },
        by,
      );
      if (outcome.kind === 'spent') return options.showLinkSpent(ctx);
      if (outcome.kind === 'taken') return toProblem(ctx, uid, provider, 'taken');
      if (outcome.kind === 'refused') return toProblem(ctx, uid, provider, 'account-disabled');
      if (outcome.waited) await tokenVault?.keepSealed(outcome.waited, outcome.waited.sealedTokens);
      // Of when the password was compared: whatever ended access since then ends this too.
      const { accessGeneration } = proven;
      const amr = [BY_UPSTREAM, ...proven.amr];
      return identityProvider.finishInteraction(ctx, {
        login: { accountId: account.id, accessGeneration, amr, provider },
      });
    },
  };
}
