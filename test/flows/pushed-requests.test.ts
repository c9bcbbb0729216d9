import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import * as oidc from 'openid-client';
import type { Account } from '../../src/accounts/account.ts';
import { type Browser, createBrowser, type Visit } from '../support/flow-browser.ts';
import { answerPages, authorizationRequest, basic, connect, pageOf, post } from '../support/flow-client.ts';
import { CALLBACK, type Flow, startFlow } from '../support/flow-server.ts';

let flow: Flow;
let person: Account;
let browser: Browser;
let client: { id: string; secret: string };
let config: oidc.Configuration;
beforeAll(async () => {
  flow = await startFlow();
});
afterAll(() => flow.close());
beforeEach(async () => {
  person = await flow.people.create();
  browser = createBrowser(flow.origin);
  client = await flow.register({});
  config = await connect(flow, client);
});

const push = async (parameters: Record<string, string | null> = {}, as = client) => {
  const { url, verifier } = await authorizationRequest(config, parameters);
  url.searchParams.set('client_id', as.id);
  return { answer: await post(`${flow.issuer}/par`, url.searchParams.toString(), basic(as)), verifier };
};

const use = (request_uri: string, clientId = client.id, more: Record<string, string> = {}) =>
  browser.open(`/authorize?${new URLSearchParams({ client_id: clientId, request_uri, ...more })}`);

const errorOf = (visit: Visit) =>
  visit.url.origin === flow.origin ? pageOf(visit).error : visit.url.searchParams.get('error');

test('a request is pushed by the client, and the browser brings only its name (par-without-duplicate-parameters)', async () => {
  const verifier = oidc.randomPKCECodeVerifier();
  const url = await oidc.buildAuthorizationUrlWithPAR(config, {
    redirect_uri: CALLBACK,
    scope: 'openid',
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  });
  expect([...url.searchParams.keys()].sort()).toEqual(['client_id', 'request_uri']);
  const { url: callback } = await answerPages(await browser.open(url.href), browser, person.id);
  const tokens = await oidc.authorizationCodeGrant(config, callback, { pkceCodeVerifier: verifier });
  expect(tokens.claims()!.sub).toBe(person.id);
});

test('the answer is 201, for a minute', async () => {
  const { answer } = await push();
  expect(answer.status).toBe(201);
  expect(answer.json).toEqual({
    expires_in: 60,
    request_uri: expect.stringMatching(/^urn:ietf:params:oauth:request_uri:[\w-]{43}$/),
  });
  expect(answer.headers.get('cache-control')).toBe('no-store');
});

describe('S-020 the name of a pushed request', () => {
  test('may be loaded again before the person answered (par-ensure-reused-request-uri-prior-to-auth-completion-succeeds)', async () => {
    const { answer } = await push();
    expect(pageOf(await use(answer.json.request_uri)).prompt).toBe('login');
    const page = await use(answer.json.request_uri);
    expect((await answerPages(page, browser, person.id)).url.searchParams.has('code')).toBe(true);
  });

  test('works once (par-attempt-reuse-request_uri)', async () => {
    const { answer } = await push();
    await answerPages(await use(answer.json.request_uri), browser, person.id);
    const again = await use(answer.json.request_uri);
    expect(errorOf(again)).toBe('invalid_request_uri');
    expect(again.url.searchParams.has('code')).toBe(false);
  });

  test('is of no use to another client (par-attempt-to-use-request_uri-for-different-client)', async () => {
    const other = await flow.register({});
    const { answer } = await push();
    const visit = await use(answer.json.request_uri, other.id);
    expect(errorOf(visit)).toMatch(/^invalid_request/);
    expect(visit.url.searchParams.has('code')).toBe(false);
  });

  test.each([
    'urn:ietf:params:oauth:request_uri:unknown',
    'urn:ietf:params:oauth:request_uri:',
    `urn:ietf:params:oauth:request_uri:${'x'.repeat(300)}`,
    'urn:ietf:params:oauth:request_uri:\u{1F600}',
  ])('cannot be made up: %s', async (request_uri) => {
    const visit = await use(request_uri);
    expect(errorOf(visit)).toBe('invalid_request_uri');
  });

  test('leaves no place for parameters beside it', async () => {
    const { answer, verifier } = await push({ scope: 'openid email', state: 'pushed' });
    const page = await use(answer.json.request_uri, client.id, {
      scope: 'openid profile',
      state: 'beside',
      redirect_uri: 'https://evil.example/',
    });
    const { url } = await answerPages(page, browser, person.id);
    expect([`${url.origin}${url.pathname}`, url.searchParams.get('state')]).toEqual([CALLBACK, 'pushed']);
    const form = {
      grant_type: 'authorization_code',
      code: url.searchParams.get('code')!,
      redirect_uri: CALLBACK,
      code_verifier: verifier,
    };
    expect((await post(`${flow.issuer}/token`, form, basic(client))).json.scope).toBe('openid email');
  });
});

test('S-021 a client that pushes its requests cannot do otherwise', async () => {
  client = await flow.register({ metadata: { require_pushed_authorization_requests: true } });
  config = await connect(flow, client);
  const { url } = await authorizationRequest(config);
  const { url: end } = await browser.open(url.href);
  expect(end.searchParams.get('error')).toBe('invalid_request');
  const form = await browser.submit('/authorize', Object.fromEntries(url.searchParams));
  expect(form.url.searchParams.get('error')).toBe('invalid_request');
  const { answer } = await push();
  expect((await answerPages(await use(answer.json.request_uri), browser, person.id)).url.searchParams.has('code')).toBe(
    true,
  );
});

test.each<[string, Record<string, string | null>, string]>([
  ['an unregistered address', { redirect_uri: 'https://evil.example/' }, 'invalid_request'],
  ['no response type', { response_type: '' }, 'invalid_request'],
  ['another response type', { response_type: 'token' }, 'unsupported_response_type'],
  ['no challenge (par-ensure-pkce-required)', { code_challenge: null, code_challenge_method: null }, 'invalid_request'],
  ['a plain challenge (par-plain-pkce-rejected)', { code_challenge_method: 'plain' }, 'invalid_request'],
  [
    'a request_uri in it (par-authorization-request-containing-request_uri-form-param)',
    { request_uri: 'urn:x' },
    'request_uri_not_supported',
  ],
  ['a broken claims parameter', { claims: '{' }, 'invalid_request'],
  ['an unknown prompt', { prompt: 'dance' }, 'invalid_request'],
])('a pushed request with %s is refused at once', async (_, parameters, error) => {
  const { answer } = await push(parameters);
  expect([answer.status, answer.json.error]).toEqual([400, error]);
});

test('pushing needs the client’s authentication, and a form (par-attempt-invalid-http-method)', async () => {
  const { url } = await authorizationRequest(config);
  expect((await post(`${flow.issuer}/par`, url.searchParams.toString())).status).toBe(401);
  expect(
    (await post(`${flow.issuer}/par`, url.searchParams.toString(), basic({ id: client.id, secret: 'x' }))).status,
  ).toBe(401);
  expect((await fetch(`${flow.issuer}/par?${url.searchParams}`)).status).toBe(405);
  const json = await post(`${flow.issuer}/par`, '{}', { ...basic(client), 'content-type': 'application/json' });
  expect([json.status, json.json.error]).toEqual([400, 'invalid_request']);
});
