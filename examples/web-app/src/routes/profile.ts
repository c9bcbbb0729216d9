import type Router from '@koa/router';
import type { ApiAccess } from '../api-access.ts';
import { AppError, SIGN_IN_AGAIN } from '../app-error.ts';
import { readForm } from '../form.ts';
import type { IdentityProvider } from '../identity-provider.ts';
import { explainProviderError } from '../provider-errors.ts';
import { type SignedInSession, signedIn, type WebState } from '../session-cookie.ts';
import { profilePage } from '../views/profile-page.ts';

interface ProfileSettings {
  readonly provider: IdentityProvider;
  readonly access: ApiAccess;
}

export function addProfileRoutes(router: Router<WebState>, { provider, access }: ProfileSettings): void {
  router.get('/profile', (ctx) => {
    const session = signedIn(ctx.state);
    ctx.type = 'html';
    ctx.body = profilePage(session);
  });

  router.post('/refresh', async (ctx) => {
    const session = signedIn(ctx.state);
    await readForm(ctx, session);
    await refresh(session).catch((error) => {
      throw explainProviderError(error);
    });
    session.notice = 'New tokens have arrived, and the profile was read again.';
    ctx.status = 303;
    ctx.redirect('/profile');
  });

  async function refresh({ person }: SignedInSession): Promise<void> {
    if (person.tokens.refreshToken === undefined) {
      const message =
        'The provider gave no refresh token to this application, so only signing in again brings new ones.';
      throw new AppError(409, 'There is nothing to refresh with', message, { next: SIGN_IN_AGAIN });
    }
    person.tokens = await provider.refresh(person.tokens);
    person.userInfo = await provider.userInfo(person.tokens.accessToken, person.subject);
    if (person.apiTokens?.refreshToken !== undefined) await access.refresh(person);
  }
}
