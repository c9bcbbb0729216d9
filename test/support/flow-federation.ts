import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as oidc from 'openid-client';
import type { NewAccount } from '../../src/accounts/accounts.ts';
import { createServiceOn } from '../../src/app.ts';
import type { CommandResult } from '../../src/cli/command.ts';
import { createCommandExecutor } from '../../src/cli/execute.ts';
import { runRemotely } from '../../src/cli/remote.ts';
import type { Config } from '../../src/config/config.ts';
import { type Environment, loadConfig } from '../../src/config/load.ts';
import { openServices, type Services } from '../../src/services.ts';
import { providers } from '../../src/upstreams/registry.ts';
import { createEmptyDatabase } from './database.ts';
import { type FakePerson, type FakeUpstream, type Play, startFakeUpstream } from './fake-upstream.ts';
import { type Browser, createBrowser, type Visit } from './flow-browser.ts';
import { authorizationRequest, connect } from './flow-client.ts';
import { CALLBACK } from './flow-server.ts';
import { freePort } from './free-port.ts';

export const PASSWORD = 'four unrelated quiet words';

export type ProviderName = 'google' | 'discord';

/** The whole service as `npm start` makes it, with both providers played by the fake. */
export interface FederatedService {
  issuer: string;
  upstream: FakeUpstream;
  /** The pieces beneath, to look at what a flow left behind. */
  services: Services;
  config: Config;
  client: { id: string; secret: string };
  /** openid-client, told about the registered client. */
  relyingParty: oidc.Configuration;
  /** An account made by an administrator, with a password. */
  createPerson(details: NewAccount): Promise<string>;
  /** Somebody whom both fakes know by this subject. */
  introduce(person: FakePerson): void;
  newBrowser(): Browser;
  /** What an operator types beside the running service. */
  command(...argv: string[]): Promise<CommandResult>;
  /** Another node on the same data, under the same public address. */
  startNode(): Promise<{ origin: string }>;
  close(): Promise<void>;
}

export interface FederatedOptions {
  env?: Environment;
  /** Providers besides Google and Discord that the fake plays, by name. */
  play?: Record<string, Play>;
  /** Changes pieces before the service is built of them. */
  rebuild?(services: Services, upstream: FakeUpstream): Promise<Partial<Services>>;
}

export async function startFederatedService({ env, play, rebuild }: FederatedOptions = {}): Promise<FederatedService> {
  const folder = mkdtempSync(join(tmpdir(), 'daemun-federation-'));
  const database = await createEmptyDatabase();
  const upstream = await startFakeUpstream(play && { play });
  const port = await freePort();
  const config = loadConfig(providers, {
    PORT: String(port),
    ISSUER: `http://127.0.0.1:${port}`,
    KEYS_DIR: join(folder, 'keys'),
    LOG_LEVEL: 'silent',
    DAEMUN_BCRYPT_COST: '4',
    DAEMUN_SIGN_INS_PER_ADDRESS: '10000',
    DAEMUN_SIGN_IN_PAGES_PER_ADDRESS: '10000',
    DAEMUN_SIGN_UP: 'open',
    DANGEROUSLY_UPSTREAMS_AT: upstream.origin,
    ...(database ? { DATABASE_URL: database.url } : { DATA_DIR: join(folder, 'data') }),
    ...credentialsOf(upstream),
    ...env,
  });
  upstream.register(config.issuer);
  const opened = await openServices(config);
  const services = { ...opened, ...(await rebuild?.(opened, upstream)) };
  const client = await register(services);
  const app = await createServiceOn(services, config);
  await app.listen();
  const closers = [() => app.close()];
  return {
    issuer: config.issuer,
    upstream,
    services,
    config,
    client,
    relyingParty: await connect(config, client),
    createPerson: (details) => createPerson(services, details),
    introduce(person) {
      for (const { people } of [upstream.google, upstream.discord]) people.push(person);
    },
    newBrowser: () => createBrowser(config.issuer),
    async command(...argv) {
      const { database: location } = config;
      if (location.kind === 'embedded') return runRemotely(location.directory, { argv, files: {} });
      const own = await openServices(config);
      return createCommandExecutor(own)({ argv, files: {} }).finally(own.close);
    },
    async startNode() {
      const nodePort = await freePort();
      const nodeConfig = { ...config, listen: { host: '127.0.0.1', port: nodePort } };
      // PGlite has one process and one session: there both nodes are two servers over the same pieces.
      const shared = { ...services, close: async () => {} };
      const node = await (database
        ? createServiceOn(await openServices(nodeConfig), nodeConfig)
        : createServiceOn(shared, { ...nodeConfig, database: { kind: 'postgresql' } as never }));
      await node.listen();
      closers.unshift(() => node.close());
      return { origin: `http://127.0.0.1:${nodePort}` };
    },
    async close() {
      for (const close of closers) await close();
      await upstream.close();
      await database?.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function credentialsOf({ google, discord }: FakeUpstream): Environment {
  return {
    GOOGLE_CLIENT_ID: google.clientId,
    GOOGLE_CLIENT_SECRET: google.clientSecret,
    DISCORD_CLIENT_ID: discord.clientId,
    DISCORD_CLIENT_SECRET: discord.clientSecret,
  };
}

async function register({ clients }: Services): Promise<{ id: string; secret: string }> {
  const metadata = { redirect_uris: [CALLBACK], grant_types: ['authorization_code', 'refresh_token'] };
  const outcome = await clients.create({ name: 'Notes', isFirstParty: true, metadata }, { actor: 'test' });
  if (outcome.kind !== 'created') throw new Error(JSON.stringify(outcome.problems));
  return { id: outcome.client.id, secret: outcome.secret! };
}

async function createPerson({ accounts }: Services, details: NewAccount): Promise<string> {
  const outcome = await accounts.create({ password: PASSWORD, ...details }, { actor: 'test' });
  if (outcome.kind !== 'created') throw new Error(JSON.stringify(outcome));
  return outcome.account.id;
}

/** A request of the registered client that waits at the sign-in page, and what is needed to end it. */
export interface Begun {
  browser: Browser;
  visit: Visit;
  verifier: string;
  state: string;
  nonce: string;
}

export async function begin(
  { relyingParty, newBrowser }: FederatedService,
  parameters: Record<string, string | null> = {},
  browser = newBrowser(),
): Promise<Begun> {
  const { url, ...secrets } = await authorizationRequest(relyingParty, parameters);
  return { browser, visit: await browser.open(url.href), ...secrets };
}

/** Presses the provider's button; answers with the address there. */
export async function leaveFor(provider: string, { browser, visit }: Pick<Begun, 'browser' | 'visit'>) {
  const form = new RegExp(`action="([^"]*/upstream/${provider}[^"]*)"[^]*?name="csrf" value="([^"]+)"`).exec(
    visit.text,
  );
  if (!form) throw new Error(`no button for ${provider} at ${visit.url}: ${visit.text}`);
  const left = await browser.submit(form[1]!, { csrf: form[2]! });
  if (left.response) throw new Error(`not sent to ${provider}: ${left.url} ${left.text}`);
  return left.url;
}

/** There and back: the browser ends at a page of ours, or at the application. */
export async function visitProvider(
  service: FederatedService,
  provider: ProviderName,
  begun: Pick<Begun, 'browser' | 'visit'>,
  decision: { as?: string; deny?: boolean } = {},
): Promise<Visit> {
  const there = begun.visit.response ? await leaveFor(provider, begun) : begun.visit.url;
  const back = await service.upstream[provider].decide(there.href, decision);
  return begun.browser.open(back.href);
}

/** Fills the page that asks for the password of the account here. */
export async function proveByPassword(browser: Browser, page: Visit, password = PASSWORD): Promise<Visit> {
  const csrf = /name="csrf" value="([^"]+)"/.exec(page.text)?.[1];
  if (!csrf) throw new Error(`no form at ${page.url}: ${page.text}`);
  return browser.submit(page.url.href, { csrf, password });
}

/** What the application gets for the code that the browser brought it. */
export async function redeem({ relyingParty }: FederatedService, begun: Begun, end: Visit) {
  if (end.response) throw new Error(`not at the application: ${end.url} ${end.response.status} ${end.text}`);
  const { verifier, state, nonce } = begun;
  return oidc.authorizationCodeGrant(relyingParty, end.url, {
    pkceCodeVerifier: verifier,
    expectedState: state,
    expectedNonce: nonce,
  });
}

/** The whole flow with somebody who needs no page of ours besides the first. */
export async function signInWith(
  service: FederatedService,
  provider: ProviderName,
  options: { as: string; parameters?: Record<string, string | null>; browser?: Browser },
) {
  const begun = await begin(service, options.parameters, options.browser);
  const end = await visitProvider(service, provider, begun, { as: options.as });
  return { browser: begun.browser, tokens: await redeem(service, begun, end) };
}

/** By password on the sign-in page. */
export async function submitPassword({ browser, visit }: Begun, email: string, password = PASSWORD): Promise<Visit> {
  const csrf = /name="csrf" value="([^"]+)"/.exec(visit.text)![1]!;
  return browser.submit(`${visit.url.pathname}/login`, { csrf, email, password });
}

/** Until the sign-in page has, or has not, the provider's button: which are enabled may be known a moment late. */
export async function untilOffered(
  service: FederatedService,
  provider: ProviderName,
  isOffered: boolean,
): Promise<void> {
  const { browser, visit } = await begin(service);
  for (let tries = 0; tries < 100; tries++) {
    const { text } = await browser.open(visit.url.pathname);
    if (text.includes(`/upstream/${provider}"`) === isOffered) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`the button of ${provider} does not ${isOffered ? 'come' : 'go'}`);
}
