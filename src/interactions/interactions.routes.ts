import { METHODS } from 'node:http';
import Router from '@koa/router';
import type { Context, Middleware } from 'koa';
import type { Csrf } from '../platform/http/csrf.ts';
import { oneATurn } from '../platform/http/one-a-turn.ts';
import type { IdentityProvider } from '../provider/identity-provider.ts';
import { serveAsset } from './assets.ts';
import { createClientLogo, type FetchPicture } from './client-logo.ts';
import { createConsent } from './consent.ts';
import { createDeviceCookie } from './device-cookie.ts';
import { findPending, pendingOf, readForm } from './guards.ts';
import { createLink } from './link.ts';
import { createLinkCompletion } from './link-completion.ts';
import { createLinkProofs } from './link-proofs.ts';
import { createLogin } from './login.ts';
import { createMailbox } from './mailbox.ts';
import { createPlayground, isOfPlayground } from './playground.ts';
import type {
  Federates,
  FindsAccounts,
  InvitesAccounts,
  KeepsMail,
  KeepsTokens,
  KnowsPasswords,
  OpensLinks,
  SignsIn,
  SignsInElsewhere,
} from './ports.ts';
import type { Screens } from './screens.ts';
import { createSetPassword } from './set-password.ts';
import { createSetup } from './setup.ts';
import { createUpstreamButtons } from './upstream-buttons.ts';
import { createUpstreamCallback } from './upstream-callback.ts';
import { createUpstreamError } from './upstream-error.ts';
import { createUpstreamOffer } from './upstream-offer.ts';
import { createUpstreamReturn, findReturning } from './upstream-return.ts';
import { createUpstreamStart } from './upstream-start.ts';
import { createUpstreamVisits } from './upstream-visit.ts';
import { createWelcome } from './welcome.ts';

export interface InteractionsOptions {
  issuer: string;
  production: boolean;
  /** Never in production. */
  playground: boolean;
  minimumPasswordLength: number;
  screens: Screens;
  identityProvider: Pick<IdentityProvider, 'pendingInteraction' | 'finishInteraction'>;
  accounts: FindsAccounts & KnowsPasswords;
  signIn: SignsIn;
  oneTimeLinks: InvitesAccounts & OpensLinks;
  /** None configured: nothing on any page tells of them. */
  upstreams: SignsInElsewhere;
  federation: Federates;
  /** Only where upstreams' tokens are to be kept. */
  tokenVault?: KeepsTokens;
  csrf: Csrf;
  /** Throws `tooManyRequests` when this address opens too many pages or links. Passwords have a limit of their own, inside `signIn`. */
  limitSignIns: Middleware;
  /** The same for who leaves for an upstream, which keeps a row, and for who says to come back from one, which records one. */
  limitDepartures: Middleware;
  limitReturns: Middleware;
  /** Whether there is no administrator yet. */
  setupNeeded(): Promise<boolean>;
  fetchPicture: FetchPicture;
  /** Mail that was kept instead of sent. Never in production. */
  mail?: KeepsMail;
  /** The pages for people's own accounts, which the start page leads to. */
  account?: { url: string; isSignedIn(ctx: Context): Promise<boolean> };
}

/** Every address of the hosted screens. */
export function createInteractionRoutes(options: InteractionsOptions): Router {
  const { screens, issuer, identityProvider, csrf, production, limitSignIns, limitReturns } = options;
  const secure = issuer.startsWith('https:');
  const hasPlayground = options.playground && !production;
  const mail = production ? undefined : options.mail;
  const pages = {
    ...(hasPlayground && { playgroundUrl: '/playground' }),
    ...(mail && { mailboxUrl: '/mailbox' }),
  };
  const welcome = createWelcome({ ...options, ...pages });
  const setup = createSetup({ ...options, ...pages });
  const setPassword = createSetPassword(options);
  const deviceCookie = createDeviceCookie({ secure });
  const visits = createUpstreamVisits({ secure });
  const upstreamOffer = createUpstreamOffer(options);
  const upstreamButtons = createUpstreamButtons({ screens, upstreamOffer });
  const login = createLogin({ ...options, deviceCookie, upstreamButtons });
  const upstreamStart = createUpstreamStart({ ...options, visits, upstreamOffer, showLogin: login.show });
  const upstreamCallback = createUpstreamCallback(options);
  const linkProofs = createLinkProofs(options);
  const completeLink = createLinkCompletion(options);
  const upstreamReturn = createUpstreamReturn({ ...options, visits, linkProofs, completeLink });
  const upstreamError = createUpstreamError(options);
  const { leaveToProve } = upstreamStart;
  const { showLinkSpent, showOtherBrowser } = upstreamError;
  const showsProblems = { showLinkSpent, showOtherBrowser };
  const link = createLink({ ...options, deviceCookie, linkProofs, completeLink, leaveToProve, ...showsProblems });
  const consent = createConsent(options);
  const logo = createClientLogo(options);
  const form = readForm(csrf);
  // Guesses come in crowds, and most of those are refused for want of a place to hash.
  const inTurn = oneATurn();
  const pending = (step?: 'login' | 'consent') => findPending(identityProvider, step);

  /** The one place that decides what is shown; steps hand their result back and come here again. */
  async function dispatch(ctx: Context): Promise<void> {
    if (pendingOf(ctx).prompt === 'consent') return consent.show(ctx);
    const shown = await upstreamStart.follow(ctx);
    if (shown !== 'left') await login.show(ctx, shown);
  }

  function abort(ctx: Context): Promise<void> {
    const error_description = 'the person went back';
    return identityProvider.finishInteraction(ctx, { error: 'access_denied', error_description });
  }

  const isServed = (asset: string) => hasPlayground || !isOfPlayground(asset);

  // One spelling per path. S-171. Every method that reaches us is known, so that the wrong one is 405 and never 501.
  const routes = new Router({ sensitive: true, strict: true, methods: METHODS });
  routes.get('/', welcome.show);
  routes.get('/assets/:file', serveAsset(screens.assets, isServed));
  routes.get('/favicon.ico', favicon(screens));
  routes.get('/language/:locale', screens.language.switchTo);
  routes.get('/setup/:token', limitSignIns, setup.show);
  routes.post('/setup/:token', limitSignIns, form, setup.submit);
  routes.get('/set-password/:token', limitSignIns, setPassword.show);
  routes.post('/set-password/:token', limitSignIns, form, setPassword.submit);
  routes.get('/interaction/:uid', limitSignIns, pending(), dispatch);
  routes.get('/interaction/:uid/logo', pending(), logo.show);
  routes.post('/interaction/:uid/login', form, inTurn, pending('login'), login.submit);
  routes.post('/interaction/:uid/upstream/:provider', form, pending('login'), upstreamStart.submit);
  routes.get('/callback/:provider', limitReturns, upstreamCallback);
  routes.get('/callback/:provider/:problem', upstreamError.showLost);
  routes.get(
    '/interaction/:uid/upstream/:provider',
    limitReturns,
    findReturning(options.upstreams, csrf, pending('login')),
    upstreamReturn,
  );
  routes.get('/interaction/:uid/upstream/:provider/:problem', pending('login'), upstreamError.show);
  routes.get('/interaction/:uid/link/:link', pending('login'), link.show);
  routes.post('/interaction/:uid/link/:link', form, inTurn, pending('login'), link.submit);
  routes.post('/interaction/:uid/link/:link/:provider', form, pending('login'), link.prove);
  routes.post('/interaction/:uid/consent', form, pending('consent'), consent.submit);
  routes.post('/interaction/:uid/abort', form, pending(), abort);
  // Absent in production, not hidden. S-178
  if (hasPlayground) {
    const playground = createPlayground({ screens, issuer });
    routes.get('/playground', playground.start);
    routes.get('/playground/callback', playground.returned);
  }
  if (mail) routes.get('/mailbox', createMailbox({ screens, mail }).show);
  return routes;
}

/** Browsers ask for it by themselves where no page names an icon: beside JSON, for instance. */
function favicon({ assets }: Screens): Middleware {
  return function favicon(ctx) {
    ctx.params = { file: 'favicon.ico' };
    return serveAsset(assets)(ctx, async () => {});
  };
}

/** What a path is called in figures: the pattern it was registered by, which has names in the place of what is somebody's own. */
export function namePageRoute(routes: Router, path: string, method: string): string | undefined {
  const { path: ofAnyMethod, pathAndMethod } = routes.match(path, method);
  const pattern = (pathAndMethod[0] ?? ofAnyMethod[0])?.path;
  return typeof pattern === 'string' ? pattern : undefined;
}
