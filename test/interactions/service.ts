import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, jest } from '@jest/globals';
import Koa from 'koa';
import type { Account, StoredAccount } from '../../src/accounts/account.ts';
import type { FoundLink } from '../../src/accounts/federation.ts';
import type { SignInOutcome } from '../../src/accounts/sign-in.ts';
import type { Picture } from '../../src/interactions/client-logo.ts';
import { createErrorScreens } from '../../src/interactions/error.ts';
import { createInteractionRoutes, type InteractionsOptions } from '../../src/interactions/interactions.routes.ts';
import type {
  Federates,
  InvitesAccounts,
  KeepsTokens,
  OpensLinks,
  SignsIn,
  SignsInElsewhere,
} from '../../src/interactions/ports.ts';
import { createProtocolScreens } from '../../src/interactions/protocol-screens.ts';
import { interactionExpired } from '../../src/platform/errors.ts';
import { requestContext } from '../../src/platform/http/context.ts';
import { createCsrf } from '../../src/platform/http/csrf.ts';
import { errors } from '../../src/platform/http/errors.ts';
import { plainPaths } from '../../src/platform/http/paths.ts';
import { securityHeaders } from '../../src/platform/http/security-headers.ts';
import { createLogger } from '../../src/platform/logger.ts';
import type { InteractionResult, PendingInteraction } from '../../src/provider/identity-provider.ts';
import type { NamedUpstream } from '../../src/upstreams/sign-ins.ts';
import type { UpstreamIdentity } from '../../src/upstreams/upstream.ts';
import { testScreens } from './fixtures.ts';

export const UID = 'abcdefghijklmnopqrstuvwxyz0123456789-_ABCDE';

export const account: Account = {
  id: '0198f0aa-6a55-7f1b-9d0e-3f6f1f8c2b11',
  userName: 'jiwoo',
  name: 'Kim Jiwoo',
  email: { address: 'jiwoo@maru.example', verified: true },
  isAdministrator: false,
  state: 'active',
  updatedAt: new Date(0),
};

export const signedIn: SignInOutcome = {
  kind: 'signed_in',
  account,
  accessGeneration: 3,
  amr: ['pwd'],
  deviceToken: 'device-token-of-this-browser',
  mustChangePassword: false,
};

/** Of the request, only what matters for the test. */
type Changes = Omit<Partial<PendingInteraction>, 'params'> & { params?: Partial<PendingInteraction['params']> };

export function pendingLogin({ params, ...changes }: Changes = {}): PendingInteraction {
  return {
    uid: UID,
    prompt: 'login',
    reasons: ['no_session'],
    client: { id: 'maru', name: 'Maru Notes', isFirstParty: false, redirectHost: 'app.maru.example' },
    params: { freshSignIn: false, ...params },
    accessTokenLifetime: 900,
    offlineAccess: false,
    ...changes,
  };
}

export function pendingConsent(changes: Changes = {}): PendingInteraction {
  return pendingLogin({
    prompt: 'consent',
    reasons: ['op_scopes_missing'],
    accountId: account.id,
    missing: { scopes: ['openid', 'email'], claims: [], resources: [] },
    ...changes,
  });
}

export const GOOGLE: NamedUpstream = { provider: 'google', displayName: 'Google', saysWhen: true };
export const DISCORD: NamedUpstream = { provider: 'discord', displayName: 'Discord' };

export const identity: UpstreamIdentity = {
  provider: 'google',
  subject: '1084',
  email: { address: 'jiwoo@maru.example', verified: true },
};

export const storedAccount: StoredAccount = { ...account, accessGeneration: 7 };

export const LINK = 'link-to-be-proven';

export const pendingLink: FoundLink = {
  provider: 'google',
  account: { id: account.id, loginName: 'jiwoo@maru.example', name: 'Kim Jiwoo', hasPassword: true },
  provenAt: [],
};

/** Of somebody who has other providers instead of a password. */
export function linkWithoutPassword(...provenAt: string[]): FoundLink {
  return { ...pendingLink, account: { ...pendingLink.account, hasPassword: false }, provenAt };
}

/** The screens over HTTP, with fakes behind them. Tests change what the fakes answer. */
export async function startService(changes: Partial<InteractionsOptions> = {}) {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const renewals: (() => void)[] = [];
  /** Answers like this until a test says otherwise. */
  function fake<F extends (...input: never[]) => unknown>(usual: F) {
    const mock = jest.fn(usual);
    renewals.push(() => void mock.mockReset().mockImplementation(usual));
    return mock;
  }
  const world = {
    pending: pendingLogin() as PendingInteraction | undefined,
    results: [] as InteractionResult[],
    find: fake(async (id: string): Promise<Account | undefined> => (id === account.id ? account : undefined)),
    hasPassword: fake(async (_id: string) => true),
    withPassword: fake<SignsIn['withPassword']>(async () => signedIn),
    findLink: fake<OpensLinks['find']>(async () => ({ purpose: 'setup' })),
    completeSetup: fake<OpensLinks['completeSetup']>(async () => ({ kind: 'created', account })),
    completeSetPassword: fake<OpensLinks['completeSetPassword']>(async () => ({ kind: 'changed', account })),
    createInvitation: fake<InvitesAccounts['createInvitation']>(async () => ({
      token: 'invitation-token' as never,
      expiresAt: new Date(),
    })),
    /** What the operator configured, and what of it is turned on. */
    configured: [GOOGLE, DISCORD],
    disabled: [] as string[],
    begin: fake<SignsInElsewhere['begin']>(async ({ provider }) => ({
      kind: 'redirect',
      url: `https://${provider}.example/authorize?state=state-of-${provider}`,
    })),
    interactionOf: fake<SignsInElsewhere['interactionOf']>(async () => UID),
    fateOf: fake<SignsInElsewhere['fateOf']>(async () => undefined),
    finishUpstream: fake<SignsInElsewhere['finish']>(async () => ({ kind: 'identified', identity })),
    federate: fake<Federates['signIn']>(async () => ({ kind: 'known', account: storedAccount })),
    askForProof: fake<Federates['askForProof']>(async () => ({ link: LINK })),
    isElsewhere: fake<Federates['isElsewhere']>(async () => false),
    findPendingLink: fake<Federates['findLink']>(async () => pendingLink),
    keepForNewPassword: fake<Federates['keepForNewPassword']>(async () => {}),
    completeLink: fake<Federates['completeLink']>(async () => ({ kind: 'linked', account: storedAccount })),
    keepTokens: fake<KeepsTokens['keep']>(async () => true),
    keepSealedTokens: fake<KeepsTokens['keepSealed']>(async () => true),
    fetchPicture: fake(async (_url: string): Promise<Picture | undefined> => undefined),
    setupNeeded: fake(async () => false),
  };
  /** As at the start: a sign-in is pending, nothing was done, and everything goes well. */
  function renew(): void {
    world.pending = pendingLogin();
    world.results.length = 0;
    world.configured = [GOOGLE, DISCORD];
    world.disabled = [];
    for (const one of renewals) one();
  }
  const screens = testScreens();
  const accounts = { find: world.find, hasPassword: world.hasPassword };
  const routes = createInteractionRoutes({
    issuer,
    production: false,
    playground: true,
    minimumPasswordLength: 15,
    screens,
    identityProvider: {
      async pendingInteraction(ctx) {
        if (!world.pending || !ctx.path.startsWith(`/interaction/${world.pending.uid}`)) throw interactionExpired();
        return world.pending;
      },
      async finishInteraction(ctx, result) {
        world.results.push(result);
        ctx.redirect('/authorize/resumed');
        ctx.status = 303;
      },
    },
    accounts,
    signIn: { withPassword: world.withPassword },
    oneTimeLinks: {
      find: world.findLink,
      completeSetup: world.completeSetup,
      completeSetPassword: world.completeSetPassword,
      createInvitation: world.createInvitation,
    },
    upstreams: {
      list: async () => world.configured.filter(({ provider }) => !world.disabled.includes(provider)),
      find: (name) => world.configured.find(({ provider }) => provider === name),
      begin: world.begin,
      interactionOf: world.interactionOf,
      fateOf: world.fateOf,
      finish: world.finishUpstream,
    },
    federation: {
      signIn: world.federate,
      askForProof: world.askForProof,
      findLink: world.findPendingLink,
      isElsewhere: world.isElsewhere,
      keepForNewPassword: world.keepForNewPassword,
      completeLink: world.completeLink,
    },
    tokenVault: {
      keep: world.keepTokens,
      seal: ({ provider, subject }, { accessToken }) => `sealed ${provider} ${subject} ${accessToken.length}`,
      keepSealed: world.keepSealedTokens,
    },
    csrf: createCsrf({ key: randomBytes(32), issuer }),
    limitSignIns: (_ctx, next) => next(),
    limitDepartures: (_ctx, next) => next(),
    limitReturns: (_ctx, next) => next(),
    setupNeeded: world.setupNeeded,
    fetchPicture: world.fetchPicture,
    mail: { list: async () => [] },
    ...changes,
  });
  const protocol = createProtocolScreens({ screens, accounts });
  const app = new Koa();
  app.use(requestContext({ trustedProxies: [] }));
  app.use(securityHeaders({ issuer }));
  app.use(
    errors({
      renderError: createErrorScreens(screens).appError,
      logger: createLogger({ level: 'silent', production: false }),
    }),
  );
  app.use(plainPaths());
  app.use(async (ctx, next) => {
    // What the engine would ask for in the middle of its own requests.
    if (ctx.path === '/authorize') {
      const { retryAfter, ...error } = JSON.parse(String(ctx.query.error));
      if (retryAfter) ctx.set('Retry-After', String(retryAfter));
      return protocol.error(ctx, { status: 400, ...error });
    }
    if (ctx.path === '/logout')
      return protocol.signOut(ctx, { form: '<form id="op.logoutForm"></form>', accountId: account.id });
    if (ctx.path === '/logout/success')
      return protocol.signedOut(ctx, { client: { name: 'Maru', clientUri: 'https://maru.example/' } });
    return next();
  });
  app.use(routes.routes());
  app.use(routes.allowedMethods());
  server.on('request', app.callback());
  return { issuer, world, screens, server, renew, close: () => close(server) };
}

export type Service = Awaited<ReturnType<typeof startService>>;

/** One for all tests of a file, as new before each; `arrange` says what is different there. */
export function useService(arrange: (world: Service['world']) => void = () => {}): Pick<Service, 'issuer' | 'world'> {
  let running: Service;
  beforeAll(async () => {
    running = await startService();
  });
  afterAll(() => running.close());
  beforeEach(() => {
    running.renew();
    arrange(running.world);
  });
  return {
    get issuer() {
      return running.issuer;
    },
    get world() {
      return running.world;
    },
  };
}

async function close(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}

export interface Page {
  status: number;
  headers: Headers;
  html: string;
  /** Set-Cookie lines. */
  cookies: string[];
}

/** A browser's memory for cookies and nothing else. */
export function createBrowser(issuer: string, headers: Record<string, string> = {}) {
  const jar = new Map<string, string>();

  async function send(path: string, init: RequestInit = {}): Promise<Page> {
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(new URL(path, issuer), {
      redirect: 'manual',
      ...init,
      headers: { Accept: 'text/html', ...headers, ...(cookie && { Cookie: cookie }), ...(init.headers as object) },
    });
    const cookies = response.headers.getSetCookie();
    for (const line of cookies) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)!;
      jar.set(name!, value!);
    }
    return { status: response.status, headers: response.headers, html: await response.text(), cookies };
  }

  return {
    jar,
    send,
    get: (path: string, extra: Record<string, string> = {}) => send(path, { headers: extra }),
    post: (path: string, fields: Record<string, string>, extra: Record<string, string> = {}) =>
      send(path, { method: 'POST', body: new URLSearchParams(fields), headers: extra }),
  };
}

/** Opens a page and sends its form, or what else it offers at `action`. */
export async function submit(
  browser: ReturnType<typeof createBrowser>,
  page: string,
  { action = page, fields = {} }: { action?: string; fields?: Record<string, string> } = {},
): Promise<{ browser: ReturnType<typeof createBrowser>; opened: Page; answer: Page }> {
  const opened = await browser.get(page);
  return { browser, opened, answer: await browser.post(action, { csrf: csrfIn(opened), ...fields }) };
}

export function csrfIn({ html }: Page): string {
  return /name="csrf" value="([^"]+)"/.exec(html)![1]!;
}
