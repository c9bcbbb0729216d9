import { Writable } from 'node:stream';
import * as oidc from 'openid-client';
import type { Account } from '../../src/accounts/account.ts';
import type { Access, ApiKey, NewApiKey, Owner } from '../../src/api-keys/api-key.ts';
import { ownApiIdentifier } from '../../src/api-keys/own-api.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { type Browser, createBrowser, formOf } from '../support/flow-browser.ts';
import { authorizationRequest, connect } from '../support/flow-client.ts';
import { startWholeService, type WholeService } from '../support/whole-service.ts';
import { checkAgainstDocument } from './document.ts';

export const BY = { actor: 'test' };
const PASSWORD = 'four unrelated quiet words';
export const REDIRECT_URI = 'https://app.example/callback';

// biome-ignore lint/suspicious/noExplicitAny: tests say what they expect of it
type Json = any;

export interface ApiAnswer {
  status: number;
  headers: Headers;
  text: string;
  json: Json;
}

export interface Ask {
  /** A key or token. */
  bearer?: string;
  browser?: Browser;
  body?: unknown;
  headers?: Record<string, string>;
  /** As it is, in the place of `body`. */
  raw?: string | Uint8Array<ArrayBuffer>;
}

/** Our own API of a whole service, with people who sign in on its pages. */
export interface Api extends WholeService {
  /** Its identifier as a resource server. */
  resource: string;
  /** Everything logged. */
  log: string[];
  ask(method: string, path: string, ask?: Ask): Promise<ApiAnswer>;
  /** As a page of ours does it: with the token against cross-site requests. */
  askFromPage(browser: Browser, method: string, path: string, body?: unknown): Promise<ApiAnswer>;
  person(details?: { isAdministrator?: boolean; name?: string }): Promise<Account>;
  signIn(person: Account): Promise<Browser>;
  /** An access token for our API, by the code flow. */
  accessToken(person: Account, scope: string, browser?: Browser): Promise<string>;
  /** All that the code flow gives. `resource`: undefined for userinfo. */
  tokens(
    person: Account,
    ask: { scope: string; resource?: string; browser?: Browser; client?: string; dpop?: boolean },
  ): Promise<oidc.TokenEndpointResponse>;
  key(owner: Owner, access: Access | string[], more?: Partial<NewApiKey>): Promise<{ value: string; apiKey: ApiKey }>;
  /** Lets every session of a person be so much older. */
  ageSessions(person: Account, seconds: number): Promise<void>;
  audited(type: string): Promise<Json[]>;
}

export async function startApi(more: Record<string, string> = {}): Promise<Api> {
  const log: string[] = [];
  const destination = new Writable({
    write(chunk, _encoding, done) {
      log.push(String(chunk));
      done();
    },
  });
  const logger = createLogger({ level: 'info', production: true, destination });
  const service = await startWholeService(
    { DANGEROUSLY_RAISE_LIMITS: '1000', DAEMUN_BCRYPT_COST: '4', ...more },
    logger,
    async (services) => {
      const metadata = { redirect_uris: [REDIRECT_URI], token_endpoint_auth_method: 'none' };
      const resources = [ownApiIdentifier(services.issuer)];
      const outcome = await services.clients.create(
        { id: 'tests', name: 'Tests', isFirstParty: true, metadata, resources },
        BY,
      );
      if (outcome.kind === 'refused') throw new Error(JSON.stringify(outcome.problems));
    },
  );
  const { services, issuer } = service;
  const resource = ownApiIdentifier(issuer);
  let made = 0;

  async function ask(method: string, path: string, { bearer, browser, body, headers = {}, raw }: Ask = {}) {
    const init = {
      method,
      headers: {
        accept: 'application/json',
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(raw !== undefined && { body: raw }),
    };
    const url = new URL(path.startsWith('/.') ? path : `/api/v1${path}`, issuer).href;
    const response = await (browser ? browser.request(url, init) : fetch(url, { ...init, redirect: 'manual' }));
    const text = await response.text();
    const isJson = /json/.test(response.headers.get('content-type') ?? '');
    await checkAgainstDocument({ method, path, status: response.status, text, isJson });
    return { status: response.status, headers: response.headers, text, json: isJson && text ? JSON.parse(text) : {} };
  }

  async function authorize(person: Account, browser: Browser, parameters: Record<string, string>, client = 'tests') {
    const config = await connect({ issuer }, { id: client });
    const request = await authorizationRequest(config, { redirect_uri: REDIRECT_URI, ...parameters });
    let visit = await browser.open(request.url.href);
    for (let steps = 0; visit.response && steps < 3; steps++) {
      const isLogin = visit.text.includes('name="password"');
      const [action, fields] = formOf(visit, isLogin ? /name="password"/ : /value="allow"/);
      const answers: Record<string, string> = isLogin
        ? { email: person.email!.address, password: PASSWORD }
        : { decision: 'allow' };
      visit = await browser.submit(action, { ...fields, ...answers });
    }
    return { config, request, visit };
  }

  const tokens: Api['tokens'] = async (person, asked) => {
    const { scope, browser = createBrowser(issuer), client, dpop } = asked;
    const at: Record<string, string> = asked.resource === undefined ? {} : { resource: asked.resource };
    const { config, request, visit } = await authorize(person, browser, { scope, ...at }, client);
    const { verifier, state, nonce } = request;
    const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce };
    const proof = dpop && { DPoP: oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair('ES256')) };
    return oidc.authorizationCodeGrant(config, visit.url, checks, at, proof || undefined);
  };

  return {
    ...service,
    resource,
    log,
    ask,

    async askFromPage(browser, method, path, body) {
      const { json } = await ask('GET', '/me/csrf-token', { browser });
      const headers = { [json.header]: json.token, origin: issuer, 'sec-fetch-site': 'same-origin' };
      return ask(method, path, { browser, headers, ...(body !== undefined && { body }) });
    },

    async person({ isAdministrator = false, name = 'Hana Kim' } = {}) {
      const email = `person-${made++}@example.com`;
      const outcome = await services.accounts.create({ name, email, password: PASSWORD, isAdministrator }, BY);
      if (outcome.kind !== 'created') throw new Error(JSON.stringify(outcome));
      return outcome.account;
    },

    async signIn(person) {
      const browser = createBrowser(issuer);
      const { visit } = await authorize(person, browser, {});
      if (visit.response) throw new Error(`not signed in: ${visit.text}`);
      return browser;
    },

    tokens,
    accessToken: async (person, scope, browser) =>
      (await tokens(person, { scope, resource, ...(browser && { browser }) })).access_token,

    async key(owner, access, details = {}) {
      const all = Array.isArray(access) ? { [resource]: access } : access;
      const outcome = await services.apiKeys.create(
        owner,
        { name: 'Test', ...details, access: all },
        { as: 'administrator' },
        BY,
      );
      if (outcome.kind !== 'created') throw new Error(JSON.stringify(outcome));
      return { value: outcome.value.reveal(), apiKey: outcome.apiKey };
    },

    async ageSessions({ id }, seconds) {
      const { pool } = services.database;
      const { rows } = await pool.query<{ id: Buffer; payload: string }>(
        "SELECT id, payload::text AS payload FROM protocol_artifacts WHERE kind = 'Session' AND account_id = $1",
        [id],
      );
      for (const row of rows) {
        const aged = row.payload.replace(/"loginTs": ?(\d+)/, (_, time) => `"loginTs":${time - seconds}`);
        await pool.query('UPDATE protocol_artifacts SET payload = $2::json WHERE id = $1', [row.id, aged]);
      }
    },

    async audited(type) {
      const { rows } = await services.database.pool.query(
        'SELECT * FROM audit_events WHERE type = $1 ORDER BY at, id',
        [type],
      );
      return rows;
    },
  };
}
