import type Router from '@koa/router';
import { readForm } from '../form.ts';
import type { IdentityProvider } from '../identity-provider.ts';
import { signedIn, type WebState } from '../session-cookie.ts';

export function addSignOutRoutes(router: Router<WebState>, provider: IdentityProvider): void {
  router.post('/sign-out', async (ctx) => {
    const session = signedIn(ctx.state);
    await readForm(ctx, session);
    const { idToken } = session.person.tokens;
    ctx.state.endSession();
    // signed out here in any case; at the provider too, when it can be reached and can do that
    const url = await provider.signOutUrl(idToken).catch(() => undefined);
    ctx.status = 303;
    ctx.redirect(url?.href ?? '/?state=signed-out');
  });
}
