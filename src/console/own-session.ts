import type { Context, Middleware } from 'koa';
import { ACCOUNT_CLIENT_ID } from '../clients/client-id.ts';
import { personView } from '../interactions/person-view.ts';
import type { Screens } from '../interactions/screens.ts';
import { tooManyRequests } from '../platform/errors.ts';
import type { RateLimiter } from '../platform/rate-limits.ts';
import type { OwnSession } from '../provider/own-session.ts';
import { type AccountSignIn, FRESH } from './account-sign-in.ts';
import { API_KEYS_PATH, CONFIRM_PATH, returnPath } from './paths.ts';
import type { KnowsSessions } from './ports.ts';

interface GuardedState {
  session?: OwnSession;
}

/**
 * Nobody is signed in, or not any more: off to sign in, and back to this page. Whoever is has as many requests here and at our own
 * API together as a caller may have.
 * @throws AppError too_many_requests
 */
export function requireSession(
  identityProvider: KnowsSessions,
  { signIn, limit }: { signIn: AccountSignIn; limit: Pick<RateLimiter, 'take'> },
): Middleware {
  return async function requireSession(ctx, next) {
    const session = await identityProvider.currentSession(ctx);
    if (!session) return signIn.begin(ctx, ctx.path);
    const decision = await limit.take(session.account.id);
    if (!decision.allowed) throw tooManyRequests(decision.retryAfter);
    (ctx.state as GuardedState).session = session;
    return next();
  };
}

/** After `requireSession`: a sign-in of long ago does not do here. Says why before it asks. S-156 */
export function requireFreshSignIn(screens: Screens): Middleware {
  return function requireFreshSignIn(ctx, next) {
    const { age, account } = sessionOf(ctx);
    if (age <= FRESH) return next();
    const isForm = ctx.method === 'POST';
    const to = returnPath(ctx.path);
    const view = {
      title: { key: 'account.confirm.title' },
      text: isForm ? { key: 'account.confirm.late' } : { key: 'account.confirm.text' },
      submit: { key: 'account.confirm.submit' },
      signInUrl: `${CONFIRM_PATH}?to=${encodeURIComponent(to)}`,
      account: personView(account),
      backUrl: API_KEYS_PATH,
    };
    screens.show(ctx, 'account-sign-in', view, { status: isForm ? 403 : 200, path: to });
    return undefined;
  };
}

/** After `requireSession`. */
export function sessionOf(ctx: Context): OwnSession {
  return (ctx.state as Required<GuardedState>).session;
}

/** What each page says about whose it is. */
export function accountFrame(ctx: Context) {
  return { account: personView(sessionOf(ctx).account), signOutUrl: `/logout?client_id=${ACCOUNT_CLIENT_ID}` };
}
