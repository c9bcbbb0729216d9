import type Router from '@koa/router';
import { AppError, SIGN_IN_AGAIN } from '../app-error.ts';
import type { BrowserSession, Person } from '../browser-sessions.ts';
import { readForm } from '../form.ts';
import type { IdentityProvider, SignedIn, SignInAttempt } from '../identity-provider.ts';
import { explainProviderError } from '../provider-errors.ts';
import { signedIn, type WebState } from '../session-cookie.ts';

const IDENTITY_SCOPE = 'openid profile email';
const API_SCOPE = 'openid sessions:read sessions:write';
/** Tabs in which a sign-in was begun and not finished. */
const MAX_ATTEMPTS = 5;

interface SignInSettings {
  readonly provider: IdentityProvider;
  readonly baseUrl: string;
  readonly apiUrl: string;
}

/**
 * Two journeys to the provider and one way back. Signing in asks for who the person is; connecting the API asks, when it
 * is first needed, for a token that is good there and nowhere else.
 */
export function addSignInRoutes(router: Router<WebState>, { provider, baseUrl, apiUrl }: SignInSettings): void {
  router.get('/sign-in', async (ctx) => {
    const begun = await explained(provider.begin({ scope: IDENTITY_SCOPE }));
    remember(ctx.state.beginSession(), begun.attempt);
    ctx.status = 303;
    ctx.redirect(begun.url.href);
  });

  router.post('/connect', async (ctx) => {
    const session = signedIn(ctx.state);
    await readForm(ctx, session);
    const begun = await explained(provider.begin({ scope: API_SCOPE, resource: apiUrl }));
    remember(session, begun.attempt);
    ctx.status = 303;
    ctx.redirect(begun.url.href);
  });

  router.get('/callback', async (ctx) => {
    const { session } = ctx.state;
    const attempt = claimAttempt(session, ctx.query.state);
    // from configuration, not from the Host header: this is the redirect_uri that the provider knows
    const returnedTo = new URL(ctx.originalUrl, baseUrl);
    const result = await explained(provider.finish(returnedTo, attempt));
    if (attempt.resource === undefined) {
      const person = await welcome(provider, result);
      ctx.state.renewSession();
      (ctx.state.session as BrowserSession).person = person;
      ctx.redirect('/profile');
    } else {
      connect(session as BrowserSession, result);
      ctx.redirect('/sessions');
    }
    ctx.status = 303;
  });
}

function remember(session: BrowserSession, attempt: SignInAttempt): void {
  session.attempts.set(attempt.state, attempt);
  const [oldest] = session.attempts.keys();
  if (session.attempts.size > MAX_ATTEMPTS) session.attempts.delete(oldest as string);
}

/** Taken out at once: whatever comes of it, the same answer works no second time. */
function claimAttempt(session: BrowserSession | undefined, state: unknown): SignInAttempt {
  const attempt = typeof state === 'string' ? session?.attempts.get(state) : undefined;
  if (attempt === undefined) {
    const message = 'It was begun in another browser, it was finished already, or it took too long.';
    throw new AppError(400, 'This sign-in is unknown here', message, { next: SIGN_IN_AGAIN });
  }
  session?.attempts.delete(attempt.state);
  return attempt;
}

async function welcome(provider: IdentityProvider, { tokens, claims }: SignedIn): Promise<Person> {
  const userInfo = await explained(provider.userInfo(tokens.accessToken, claims.sub));
  return { subject: claims.sub, idTokenClaims: claims, userInfo, tokens };
}

/** The second journey must have been the same person's: they may have changed accounts at the provider on the way. */
function connect(session: BrowserSession, { tokens, claims }: SignedIn): void {
  if (session.person?.subject !== claims.sub) {
    throw new AppError(403, 'That was somebody else', 'You are signed in at the provider under another account now.', {
      next: SIGN_IN_AGAIN,
    });
  }
  session.person.apiTokens = tokens;
  session.notice = 'The API is connected.';
}

async function explained<Result>(work: Promise<Result>): Promise<Result> {
  return work.catch((error) => {
    throw explainProviderError(error);
  });
}
