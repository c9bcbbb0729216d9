import { METHODS } from 'node:http';
import Router from '@koa/router';
import type { Middleware } from 'koa';
import { readForm, seeOther } from '../interactions/guards.ts';
import type { Screens } from '../interactions/screens.ts';
import type { Csrf } from '../platform/http/csrf.ts';
import type { RateLimiter } from '../platform/rate-limits.ts';
import { createAccountSignIn } from './account-sign-in.ts';
import { createApiKeyLife } from './api-key-life.ts';
import { createApiKeyPages } from './api-key-pages.ts';
import { createApiKeysPage } from './api-keys-page.ts';
import { requireFreshSignIn, requireSession } from './own-session.ts';
import { createParting } from './parting-words.ts';
import {
  API_KEY_VALUE_PATH,
  API_KEYS_PATH,
  CONFIRM_PATH,
  NEW_API_KEY_PATH,
  returnPath,
  SIGNED_IN_PATH,
} from './paths.ts';
import type { KnowsSessions, ListsResourceServers, ManagesApiKeys } from './ports.ts';

export interface AccountRoutesOptions {
  issuer: string;
  screens: Screens;
  identityProvider: KnowsSessions;
  csrf: Csrf;
  /** What seals what a browser is given to bring back. */
  secret: Buffer;
  apiKeys: ManagesApiKeys;
  resourceServers: ListsResourceServers;
  /** Seconds, and how many keys work at once. */
  policy: { lifetime: number; longestLifetime: number; perOwner: number };
  /** Throws `tooManyRequests` when this address opens too many pages. */
  limitPages: Middleware;
  /** The same for one person, wherever they are. */
  limitPerson: Pick<RateLimiter, 'take'>;
}

/** Every address of the account pages. */
export function createAccountRoutes(options: AccountRoutesOptions): Router {
  const { issuer, screens, identityProvider, csrf, secret, policy, limitPages, limitPerson } = options;
  const signIn = createAccountSignIn({ issuer, screens, identityProvider });
  const parting = createParting({ secret, secure: issuer.startsWith('https:') });
  const list = createApiKeysPage({ ...options, parting, perOwner: policy.perOwner });
  const pages = createApiKeyPages({ ...options, parting, signIn });
  const life = createApiKeyLife({ ...options, parting, pages });

  const session = requireSession(identityProvider, { signIn, limit: limitPerson });
  const fresh = requireFreshSignIn(screens);
  const form = readForm(csrf);
  const key = `${API_KEYS_PATH}/:id`;

  const routes = new Router({ sensitive: true, strict: true, methods: METHODS });
  routes.get('/account', (ctx) => seeOther(ctx, API_KEYS_PATH));
  routes.get(SIGNED_IN_PATH, limitPages, signIn.returned);
  routes.get(CONFIRM_PATH, limitPages, (ctx) => signIn.begin(ctx, returnPath(ctx.query.to), { fresh: true }));
  routes.get(API_KEYS_PATH, limitPages, session, list.show);
  routes.get(NEW_API_KEY_PATH, limitPages, session, fresh, pages.showNew);
  routes.post(NEW_API_KEY_PATH, limitPages, form, session, fresh, pages.make);
  routes.get(API_KEY_VALUE_PATH, limitPages, session, life.showValue);
  routes.get(key, limitPages, session, fresh, pages.showChange);
  routes.post(key, limitPages, form, session, fresh, pages.change);
  routes.get(`${key}/rotate`, limitPages, session, fresh, life.showRotate);
  routes.post(`${key}/rotate`, limitPages, form, session, fresh, life.rotate);
  // Ending a key never waits for a sign-in.
  routes.get(`${key}/revoke`, limitPages, session, life.showRevoke);
  routes.post(`${key}/revoke`, limitPages, form, session, life.revoke);
  return routes;
}
