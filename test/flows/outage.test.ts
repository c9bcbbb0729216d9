import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import * as oidc from 'openid-client';
import { createBrowser } from '../support/flow-browser.ts';
import { authorizationRequest, basic, connect, obtainCode, pageOf, post, signIn } from '../support/flow-client.ts';
import { type Flow, startFlow } from '../support/flow-server.ts';

const grant_types = ['authorization_code', 'refresh_token', 'client_credentials'];

let flow: Flow;
let client: { id: string; secret: string };
let config: oidc.Configuration;
beforeAll(async () => {
  flow = await startFlow();
  client = await flow.register({ metadata: { grant_types } });
  config = await connect(flow, client);
});
afterAll(() => flow.close());
afterEach(() => restore());

const pool = () => flow.database.pool as unknown as { query?: unknown; connect?: unknown };

/** From now on whoever asks the database gets this error. */
function fail(error: Error): void {
  const refuse = async () => {
    throw error;
  };
  Object.assign(pool(), { query: refuse, connect: refuse });
}

function restore(): void {
  delete pool().query;
  delete pool().connect;
}

const gone = () => Object.assign(new Error('connect ECONNREFUSED 10.1.2.3:5432'), { code: 'ECONNREFUSED' });

test('S-063 S-177 while the database is away every endpoint says so, none says yes, and none says no', async () => {
  const person = await flow.people.create();
  const { tokens, browser } = await signIn(flow, config, person.id);
  const { form } = await obtainCode(flow, client, person.id);
  const pushed = Object.fromEntries((await authorizationRequest(config)).url.searchParams);
  const calls: [string, Record<string, string>, Record<string, string>][] = [
    ['/token', form, basic(client)],
    ['/token', { grant_type: 'client_credentials' }, basic(client)],
    ['/token', { grant_type: 'refresh_token', refresh_token: tokens.refresh_token! }, basic(client)],
    ['/introspect', { token: tokens.access_token }, basic(client)],
    ['/revoke', { token: tokens.refresh_token! }, basic(client)],
    ['/par', pushed, basic(client)],
    ['/userinfo', { access_token: tokens.access_token }, {}],
  ];
  fail(gone());
  for (const [path, fields, headers] of calls) {
    const answer = await post(`${flow.issuer}${path}`, fields, headers);
    expect([path, answer.status, answer.json.error]).toEqual([path, 503, 'temporarily_unavailable']);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(answer.text).not.toContain('10.1.2.3');
  }
  const { url } = await authorizationRequest(config);
  for (const address of [url.href, `${flow.issuer}/logout`]) {
    const page = await browser.open(address);
    expect([page.response!.status, pageOf(page).error]).toEqual([503, 'unavailable']);
    expect(page.response!.headers.get('retry-after')).toEqual(expect.any(String));
  }
  restore();
  // Nothing was lost or spent by it.
  expect((await post(`${flow.issuer}/token`, form, basic(client))).status).toBe(200);
  expect((await oidc.tokenIntrospection(config, tokens.access_token)).active).toBe(true);
});

test('discovery and keys are served without a database', async () => {
  fail(gone());
  for (const path of ['/.well-known/openid-configuration', '/.well-known/jwks.json']) {
    expect((await fetch(`${flow.issuer}${path}`)).status).toBe(200);
  }
});

test('the page of an interaction says that it is us, and the person may try again', async () => {
  const person = await flow.people.create();
  const browser = createBrowser(flow.origin);
  const { url } = await authorizationRequest(config);
  const page = await browser.open(url.href);
  fail(gone());
  // What this node remembers it may still show.
  expect((await browser.open(page.url.href)).response!.status).toBe(200);
  expect((await browser.submit(`${page.url.pathname}/login`, { account: person.id })).response!.status).toBe(503);
  restore();
  const end = await browser.submit(`${page.url.pathname}/login`, { account: person.id });
  expect(end.url.searchParams.has('code')).toBe(true);

  const again = await authorizationRequest(config, { prompt: 'login' });
  const ofASession = await browser.open(again.url.href);
  fail(gone());
  expect((await browser.open(ofASession.url.href)).response!.status).toBe(503);
});

describe('S-052 a defect of ours is a 500 without a word about it', () => {
  test('for programs', async () => {
    fail(new Error('column "secret_column" does not exist'));
    const answer = await post(`${flow.issuer}/token`, { grant_type: 'client_credentials' }, basic(client));
    expect([answer.status, answer.json]).toEqual([
      500,
      { error: 'server_error', error_description: 'something went wrong on our side' },
    ]);
    expect(flow.log.join('')).toContain('secret_column');
  });

  test('for browsers', async () => {
    fail(new Error('column "secret_column" does not exist'));
    const { url } = await authorizationRequest(config);
    const page = await createBrowser(flow.origin).open(url.href);
    expect([page.response!.status, pageOf(page).error]).toEqual([500, 'internal']);
    expect(page.text).not.toContain('secret_column');
  });
});
