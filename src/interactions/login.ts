import type { Context } from 'koa';
import type { SignedIn, SignInOutcome } from '../accounts/sign-in.ts';
import type { Csrf } from '../platform/http/csrf.ts';
import { auditContextOf } from '../provider/audit-context.ts';
import type { IdentityProvider, PendingInteraction } from '../provider/identity-provider.ts';
import { clientView } from './client-view.ts';
import type { DeviceCookie } from './device-cookie.ts';
import { formOf, interactionPath, pendingOf, seeOther } from './guards.ts';
import { loginPersonView } from './person-view.ts';
import type { FindsAccounts, InvitesAccounts, SignsIn } from './ports.ts';
import type { Screens } from './screens.ts';
import type { LoginPersonView, Problems } from './views.ts';

interface LoginOptions {
  screens: Screens;
  identityProvider: Pick<IdentityProvider, 'finishInteraction'>;
  accounts: FindsAccounts;
  signIn: SignsIn;
  oneTimeLinks: InvitesAccounts;
  csrf: Csrf;
  deviceCookie: DeviceCookie;
}

type Refused = Exclude<SignInOutcome, { kind: 'signed_in' }>;

/** Somebody is signed in, and the application wants somebody else. */
const OTHER_PERSON = ['id_token_hint', 'claims_id_token_sub_value'];

export function createLogin(options: LoginOptions) {
  const { screens, identityProvider, accounts, signIn, oneTimeLinks, csrf, deviceCookie } = options;

  /** Who has to sign in again. Undefined when anybody may. S-016 */
  async function boundPerson(
    ctx: Context,
    pending: PendingInteraction,
  ): Promise<(LoginPersonView & { id: string }) | undefined> {
    if (pending.accountId === undefined || wantsOther(ctx)) return undefined;
    if (pending.reasons.some((reason) => OTHER_PERSON.includes(reason))) return undefined;
    const account = await accounts.find(pending.accountId);
    const person = account?.state === 'active' ? loginPersonView(account) : undefined;
    return person && { ...person, id: account!.id };
  }

  async function show(
    ctx: Context,
    { email, problems, status }: { email?: string; problems?: Problems; status?: number } = {},
  ): Promise<void> {
    const pending = pendingOf(ctx);
    const { uid, params } = pending;
    const person = await boundPerson(ctx, pending);
    const other = wantsOther(ctx) ? '?account=other' : '';
    const typed = email ?? params.loginHint;
    const view = {
      action: interactionPath(uid, 'login') + other,
      abortAction: interactionPath(uid, 'abort'),
      csrf: csrf.token(ctx),
      client: clientView(pending),
      values: typed && !person ? { email: typed.slice(0, 320) } : {},
      ...(problems && { problems }),
      ...(person && {
        boundTo: { name: person.name, initial: person.initial, loginName: person.loginName },
        otherAccountUrl: `${interactionPath(uid)}?account=other`,
      }),
    };
    screens.show(ctx, 'login', view, {
      ...(status && { status }),
      ...(params.uiLocales && { uiLocales: params.uiLocales }),
      interaction: uid,
      path: interactionPath(uid) + other,
      formAction: 'anywhere',
    });
  }

  return {
    show: (ctx: Context) => show(ctx),

    async submit(ctx: Context): Promise<void> {
      const { email = '', password = '' } = formOf(ctx);
      const pending = pendingOf(ctx);
      const person = await boundPerson(ctx, pending);
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
      if (outcome.mustChangePassword) return changePassword(ctx, outcome);
      const { account, accessGeneration, amr } = outcome;
      return identityProvider.finishInteraction(ctx, { login: { accountId: account.id, accessGeneration, amr } });
    },
  };

  /** Unknown name and wrong password are one outcome and one answer. S-122 */
  function refuse(ctx: Context, email: string, outcome: Refused): Promise<void> {
    if ('retryAfter' in outcome) ctx.set('Retry-After', String(outcome.retryAfter));
    return show(ctx, { email, ...answerTo(outcome) });
  }

  /** The sign-in counts only once the new password is set: until then nobody is signed in. S-119 */
  async function changePassword(ctx: Context, signedIn: SignedIn): Promise<void> {
    const { token } = await oneTimeLinks.createInvitation(signedIn.account.id, auditContextOf(ctx.state), signedIn);
    seeOther(ctx, `/set-password/${token}?interaction=${pendingOf(ctx).uid}`);
  }
}

function wantsOther(ctx: Context): boolean {
  return ctx.query.account === 'other';
}

function missingFields(login: string, password: string): Problems['fields'] | undefined {
  if (login && password) return undefined;
  return {
    ...(!login && { email: { key: 'login.email.missing' } }),
    ...(!password && { password: { key: 'login.password.missing' } }),
  };
}

function answerTo(outcome: Refused): { status: number; problems: Problems } {
  switch (outcome.kind) {
    case 'refused':
      return { status: 422, problems: { summary: { key: 'login.refused' }, credentials: true } };
    case 'disabled':
      return { status: 403, problems: { summary: { key: 'login.disabled' } } };
    case 'throttled': {
      const duration = { seconds: outcome.retryAfter };
      return { status: 429, problems: { summary: { key: 'login.throttled', args: { duration } } } };
    }
    case 'busy': {
      const duration = { seconds: outcome.retryAfter };
      return { status: 503, problems: { summary: { key: 'login.busy', args: { duration } } } };
    }
  }
}
