import Router, { type RouterContext } from '@koa/router';
import Koa from 'koa';
import { ApiAccess } from './api-access.ts';
import { ApiClient } from './api-client.ts';
import { AppError } from './app-error.ts';
import { assets } from './assets.ts';
import { BrowserSessions } from './browser-sessions.ts';
import { IdentityProvider } from './identity-provider.ts';
import { addHomeRoutes } from './routes/home.ts';
import { addProfileRoutes } from './routes/profile.ts';
import { addSessionRoutes } from './routes/sessions.ts';
import { addSignInRoutes } from './routes/sign-in.ts';
import { addSignOutRoutes } from './routes/sign-out.ts';
import { securityHeaders } from './security-headers.ts';
import { sessionCookie, type WebMiddleware, type WebState } from './session-cookie.ts';
import { showErrors } from './show-errors.ts';

export interface WebAppOptions {
  /** Where browsers find this application; registered at the provider with `/callback` and `/`. */
  readonly baseUrl: string;
  readonly issuer: string;
  readonly clientId: string;
  /** Sent as client_secret_basic; without it the application is a public client. */
  readonly clientSecret?: string | undefined;
  /** The API, which is also its name at the provider (RFC 8707). */
  readonly apiUrl: string;
}

export function createWebApp({ baseUrl, issuer, clientId, clientSecret, apiUrl }: WebAppOptions): Koa<WebState> {
  const provider = new IdentityProvider({
    issuer,
    clientId,
    clientSecret,
    redirectUri: new URL('/callback', baseUrl).href,
    postLogoutRedirectUri: new URL('/', baseUrl).href,
  });
  const access = new ApiAccess(provider, apiUrl);
  const router = new Router<WebState>({ sensitive: true, strict: true });
  addHomeRoutes(router);
  addSignInRoutes(router, { provider, baseUrl, apiUrl });
  addProfileRoutes(router, { provider, access });
  addSessionRoutes(router, { access, api: new ApiClient(apiUrl) });
  addSignOutRoutes(router, provider);

  const app = new Koa<WebState>();
  app.use(securityHeaders(issuer));
  app.use(assets());
  app.use(sessionCookie(new BrowserSessions(), new URL(baseUrl).protocol === 'https:'));
  app.use(showErrors);
  app.use(router.routes());
  app.use(refuseTheRest);
  return app;
}

const refuseTheRest: WebMiddleware = async (ctx) => {
  const allowed = new Set((ctx as unknown as RouterContext).matched?.flatMap(({ methods }) => methods));
  if (allowed.size === 0)
    throw new AppError(404, 'There is no such page', 'The address may be misspelt or out of date.');
  const headers = { allow: [...allowed].sort().join(', ') };
  throw new AppError(405, 'That does not work here', 'This address is for something else.', { headers });
};
