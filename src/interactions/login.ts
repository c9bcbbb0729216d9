import type { Context } from 'koa';
import type { Csrf } from '../platform/http/csrf.ts';
import type { Message } from '../platform/http/messages.ts';
import { auditContextOf } from '../provider/audit-context.ts';
import type { IdentityProvider } from '../provider/identity-provider.ts';
import { ANYBODY, findBoundPerson, wantsOther } from './bound-person.ts';
import { clientView } from './client-view.ts';
import type { DeviceCookie } from './device-cookie.ts';
import { firstChangePassword } from './first-change-password.ts';
import { formOf, interactionPath, pendingOf } from './guards.ts';
import { triedUpstream } from './password-needed.ts';
import { answerToRefused, type RefusedPassword } from './password-refusal.ts';
import type { FindsAccounts, InvitesAccounts, SignsIn, SignsInElsewhere } from './ports.ts';
import type { Screens } from './screens.ts';
import type { UpstreamButtons } from './upstream-buttons.ts';
import type { Problems } from './views.ts';

interface LoginOptions {
  screens: Screens;
  identityProvider: Pick<IdentityProvider, 'finishInteraction'>;
  accounts: FindsAccounts;
  signIn: SignsIn;
  oneTimeLinks: InvitesAccounts;
  csrf: Csrf;
  deviceCookie: DeviceCookie;
  upstreams: Pick<SignsInElsewhere, 'find'>;
  upstreamButtons: UpstreamButtons;
}

export interface ShowLogin {
  status?: number;
  /** Why the person is here although they wanted to go elsewhere. */
  notice?: Message;
}

export function createLogin(options: LoginOptions) {
  const { screens, identityProvider, accounts, signIn, oneTimeLinks, csrf, deviceCookie, upstreamButtons } = options;

  const boundPerson = async (ctx: Context) => (wantsOther(ctx) ? undefined : findBoundPerson(accounts, pendingOf(ctx)));

  async function show(
    ctx: Context,
    { email, problems, status, notice }: ShowLogin & { email?: string; problems?: Problems } = {},
  ): Promise<void> {
    const pending = pendingOf(ctx);
    const { uid, params } = pending;
    const person = await boundPerson(ctx);
    const tried = triedUpstream(ctx, options.upstreams);
    const upstreams = await upstreamButtons(ctx, tried?.provider);
    const other = wantsOther(ctx) ? ANYBODY : '';
    const said = notice ?? tried?.notice;
    const typed = email ?? params.loginHint;
    const view = {
      action: interactionPath(uid, 'login') + other,
      abortAction: interactionPath(uid, 'abort'),
      csrf: csrf.token(ctx),
      client: clientView(pending),
      values: typed && !person ? { email: typed.slice(0, 320) } : {},
      ...(problems && { problems }),
      ...(said && !problems && { notice: said }),
      ...(person && {
        boundTo: { name: person.name, initial: person.initial, loginName: person.loginName },
        otherAccountUrl: interactionPath(uid) + ANYBODY,
      }),
      ...(upstreams.length && { upstreams }),
    };
    screens.show(ctx, 'login', view, {
      ...(status && { status }),
      ...(params.uiLocales && { uiLocales: params.uiLocales }),
      interaction: uid,
      path: tried ? ctx.url : interactionPath(uid) + other,
      formAction: 'anywhere',
    });
  }

  return {
    show: (ctx: Context, shown?: ShowLogin) => show(ctx, shown),

    async submit(ctx: Context): Promise<void> {
      const { email = '', password = '' } = formOf(ctx);
      const person = await boundPerson(ctx);
      const login = person?.loginName ?? email.trim();
      const missing = missingFields(login, password);
      if (missing) return show(ctx, { email: login, problems: { fields: missing }, status: 422 });

      const deviceToken = deviceCookie.read(ctx);
      const outcome = await signIn.withPassword(
        { login, password, ...(deviceToken && { deviceToken }) },
        auditContextOf(ctx.state),
      );
      if (outcome.kind !== 'signed_in') return refuse(ctx, login, outcome);
      // A name can change hands between the page and the answer.
      if (person && person.id !== outcome.account.id) return refuse(ctx, login, { kind: 'refused' });

      deviceCookie.write(ctx, outcome.deviceToken);
      if (outcome.mustChangePassword) return firstChangePassword(ctx, oneTimeLinks, outcome);
      const { account, accessGeneration, amr } = outcome;
      return identityProvider.finishInteraction(ctx, { login: { accountId: account.id, accessGeneration, amr } });
    },
  };

  function refuse(ctx: Context, email: string, outcome: RefusedPassword): Promise<void> {
    if ('retryAfter' in outcome) ctx.set('Retry-After', String(outcome.retryAfter));
    return show(ctx, { email, ...answerToRefused(outcome) });
  }
}

function missingFields(login: string, password: string): Problems['fields'] | undefined {
  if (login && password) return undefined;
  return {
    ...(!login && { email: { key: 'login.email.missing' } }),
    ...(!password && { password: { key: 'login.password.missing' } }),
  };
}
