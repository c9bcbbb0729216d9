import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach } from '@jest/globals';
import Koa from 'koa';
import type { StoredAccount } from '../../src/accounts/account.ts';
import { createAccountRoutes } from '../../src/console/account.routes.ts';
import { createErrorScreens } from '../../src/interactions/error.ts';
import { requestContext } from '../../src/platform/http/context.ts';
import { createCsrf } from '../../src/platform/http/csrf.ts';
import { errors } from '../../src/platform/http/errors.ts';
import { plainPaths } from '../../src/platform/http/paths.ts';
import { securityHeaders } from '../../src/platform/http/security-headers.ts';
import { createLogger } from '../../src/platform/logger.ts';
import type { RateDecision } from '../../src/platform/rate-limits.ts';
import type { OwnSession } from '../../src/provider/own-session.ts';
import { createPerson } from '../accounts/node.ts';
import { type KeyNode, type KeyNodeOptions, registerNotes, startKeyNode } from '../api-keys/key-nodes.ts';
import { testScreens } from '../interactions/fixtures.ts';
import { createBrowser, csrfIn, type Page } from '../interactions/service.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';

export type Browser = ReturnType<typeof createBrowser>;

/** The account pages over HTTP on real keys; who is signed in, and since when, is for the test to say. */
export interface ConsoleService {
  issuer: string;
  node: KeyNode;
  database: TestDatabase;
  /** Somebody new, without keys, who signed in a moment ago. */
  signInAnew(changes?: { isAdministrator?: boolean }): Promise<StoredAccount>;
  /** What the limit of requests says. */
  decision: RateDecision;
  /** Of whoever asks; undefined: nobody. */
  session: OwnSession | undefined;
  close(): Promise<void>;
}

export async function startConsole(options: KeyNodeOptions = {}): Promise<ConsoleService> {
  const database = await openTestDatabase();
  const node = startKeyNode(database, options);
  await registerNotes(node);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const screens = testScreens();
  const logger = createLogger({ level: 'silent', production: false });
  const { perOwner = 20, lifetime = 90 * 86_400, longestLifetime = 366 * 86_400 } = options;
  const routes = createAccountRoutes({
    issuer,
    screens,
    identityProvider: { currentSession: async () => service.session },
    csrf: createCsrf({ key: randomBytes(32), issuer }),
    secret: randomBytes(32),
    apiKeys: node.apiKeys,
    resourceServers: node.resourceServers,
    policy: { perOwner, lifetime, longestLifetime },
    limitPages: (_ctx, next) => next(),
    limitPerson: { take: async () => service.decision },
  });
  const app = new Koa();
  app.use(requestContext({ trustedProxies: [] }));
  app.use(securityHeaders({ issuer }));
  app.use(errors({ renderError: createErrorScreens(screens).appError, logger }));
  app.use(plainPaths());
  app.use(routes.routes());
  app.use(routes.allowedMethods());
  server.on('request', app.callback());
  const service: ConsoleService = {
    issuer,
    node,
    database,
    session: undefined,
    decision: { allowed: true },
    async signInAnew({ isAdministrator = false } = {}) {
      const { id } = await createPerson(node);
      if (isAdministrator) await database.prisma.user.update({ where: { id }, data: { isAdministrator } });
      const account = (await node.accounts.find(id))!;
      service.session = { account, uid: `session-of-${id}`, signedInAt: new Date(), age: 0, amr: ['pwd'] };
      return account;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await node.close();
      await database.close();
    },
  };
  return service;
}

/** Opens the pages before the tests of this file; each test begins with somebody new who is signed in, in a new browser. */
export function useConsole(
  hand: (world: { service: ConsoleService; browser: Browser; account: StoredAccount }) => void,
  options?: KeyNodeOptions,
): void {
  let service: ConsoleService;
  beforeAll(async () => {
    service = await startConsole(options);
  });
  beforeEach(async () => {
    const account = await service.signInAnew();
    hand({ service, browser: createBrowser(service.issuer), account });
  });
  afterAll(() => service?.close());
}

export const NEW = '/account/api-keys/new';
export const LIST = '/account/api-keys';

/** The text between the tags, for whoever reads it. */
export function textOf({ html }: Pick<Page, 'html'>): string {
  const main = /<main[\s\S]*<\/main>/.exec(html)?.[0] ?? html;
  return main
    .replace(/<[^>]+>/g, ' ')
    .replaceAll('&#39;', "'")
    .replaceAll('&quot;', '"')
    .replaceAll('&amp;', '&')
    .replace(/\s+/g, ' ')
    .trim();
}

/** Fills in a form as a browser would: what the page says, changed by what is given; undefined unticks. */
export async function submit(
  browser: Browser,
  path: string,
  fields: Record<string, string | undefined> = {},
  page?: Page,
): Promise<Page> {
  const shown = page ?? (await browser.get(path));
  const given: Record<string, string | undefined> = { ...fieldsIn(shown), csrf: csrfIn(shown), ...fields };
  const sent = Object.fromEntries(
    Object.entries(given).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  return browser.post(path, sent);
}

/** What a form would send as it is. */
export function fieldsIn({ html }: Pick<Page, 'html'>): Record<string, string> {
  const fields: Record<string, string> = {};
  for (const [tag] of html.matchAll(/<input[^>]*>/g)) {
    const attribute = (name: string) => new RegExp(`\\s${name}="([^"]*)"`).exec(tag)?.[1];
    const name = attribute('name');
    const isChoice = /type="(?:checkbox|radio)"/.test(tag);
    if (name && (!isChoice || /\schecked/.test(tag))) fields[name] = attribute('value') ?? '';
  }
  for (const [, name, text] of html.matchAll(/<textarea[^>]*\sname="([^"]*)"[^>]*>([^<]*)</g)) fields[name!] = text!;
  return fields;
}

/** The value on the page that shows it. */
export function valueIn({ html }: Pick<Page, 'html'>): string | undefined {
  return /id="value"[^>]*>([^<]*)</.exec(html)?.[1];
}
