import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import * as oidc from 'openid-client';
import { type Browser, createBrowser } from '../support/flow-browser.ts';
import { answerPages, authorizationRequest, basic, connect, pageOf, post, signIn } from '../support/flow-client.ts';
import { CALLBACK, type Flow, startFlow } from '../support/flow-server.ts';

let flow: Flow;
beforeAll(async () => {
  flow = await startFlow();
});
afterAll(() => flow.close());

test('two applications sign the same person in: every token, claim and header is right (server)', async () => {
  const person = await flow.people.create();
  const browser = createBrowser(flow.origin);
  for (const name of ['Notes', 'Photos']) {
    const client = await flow.register({ name });
    const config = await connect(flow, client);
    const { tokens, callback } = await signIn(flow, config, person.id, { browser });
    // RFC 9207 (S-008)
    expect(callback.searchParams.get('iss')).toBe(flow.issuer);
    expect([...callback.searchParams.keys()].sort()).toEqual(['code', 'iss', 'state']);
    expect(tokens).toMatchObject({ token_type: 'bearer', expires_in: 900, scope: 'openid' });
    expect(tokens.refresh_token).toBeUndefined();
    const claims = tokens.claims()!;
    expect(claims).toMatchObject({ iss: flow.issuer, aud: client.id, sub: person.id, amr: ['pwd'] });
    expect(claims.acr).toBe('urn:daemun:acr:one-factor');
    expect(claims.exp - claims.iat).toBe(3600);
    expect(Math.abs(claims.auth_time! - Date.now() / 1000)).toBeLessThan(60);
    const userinfo = await oidc.fetchUserInfo(config, tokens.access_token, person.id);
    expect(userinfo).toEqual({ sub: person.id });
  }
});

test('S-051 S-008 token answers are JSON that nobody keeps', async () => {
  const person = await flow.people.create();
  const client = await flow.register({});
  const browser = createBrowser(flow.origin);
  const { url, verifier } = await authorizationRequest(await connect(flow, client));
  const { url: callback } = await answerPages(await browser.open(url.href), browser, person.id);
  const parameters = {
    grant_type: 'authorization_code',
    code: callback.searchParams.get('code')!,
    redirect_uri: CALLBACK,
    code_verifier: verifier,
  };
  const answer = await post(`${flow.issuer}/token`, parameters, { ...basic(client), accept: 'text/html' });
  expect(answer.status).toBe(200);
  expect(answer.headers.get('cache-control')).toBe('no-store');
  expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
  const refused = await post(`${flow.issuer}/token`, parameters, { ...basic(client), accept: 'text/html' });
  expect(refused.status).toBe(400);
  expect(refused.headers.get('content-type')).toBe('application/json; charset=utf-8');
  expect(refused.headers.get('cache-control')).toBe('no-store');
  expect(Object.keys(refused.json).sort()).toEqual(['error', 'error_description']);
});

test('ID tokens are signed by RS256 and a published key unless the client asks otherwise (idtoken-signature)', async () => {
  const person = await flow.people.create();
  const keys = createRemoteJWKSet(new URL(`${flow.issuer}/.well-known/jwks.json`));
  for (const algorithm of [undefined, 'RS256', 'PS256', 'ES256', 'EdDSA']) {
    const client = await flow.register({
      metadata: algorithm ? { id_token_signed_response_alg: algorithm } : {},
    });
    const config = await connect(flow, client, { metadata: { id_token_signed_response_alg: algorithm ?? 'RS256' } });
    const { tokens } = await signIn(flow, config, person.id);
    const { kid, alg } = decodeProtectedHeader(tokens.id_token!);
    expect(alg).toBe(algorithm ?? 'RS256');
    expect(kid).toEqual(expect.any(String));
    await jwtVerify(tokens.id_token!, keys, { issuer: flow.issuer, audience: client.id, algorithms: [alg!] });
  }
});

describe('requests that must succeed', () => {
  test.each<[string, Record<string, string | null>]>([
    ['without a nonce (ensure-request-without-nonce-succeeds)', { nonce: null }],
    ['without a state', { state: null }],
    ['with an unknown parameter (ensure-request-with-unknown-parameter-succeeds)', { extra: 'foobar' }],
    ['with display=page (display-page)', { display: 'page' }],
    ['with display=popup (display-popup)', { display: 'popup' }],
    ['with ui_locales (ui-locales)', { ui_locales: 'ko en se' }],
    ['with claims_locales (claims-locales)', { claims_locales: 'ko' }],
    ['with acr_values (ensure-request-with-acr-values-succeeds)', { acr_values: 'urn:daemun:acr:one-factor 2' }],
    ['with scopes in another order (alternate-happy-flow)', { scope: 'email profile openid' }],
    ['with the response mode named', { response_mode: 'query' }],
    ['with empty parameters, which count as absent (S-006)', { prompt: '', max_age: '', claims: '' }],
  ])('%s', async (_, parameters) => {
    const person = await flow.people.create();
    const config = await connect(flow, await flow.register({}));
    const { tokens } = await signIn(flow, config, person.id, { parameters });
    expect(tokens.claims()?.sub).toBe(person.id);
  });
});

test('S-009 a request without response_type is an error, not a code (response-type-missing)', async () => {
  const client = await flow.register({});
  const browser = createBrowser(flow.origin);
  const { url } = await authorizationRequest(await connect(flow, client));
  url.searchParams.delete('response_type');
  const { url: end } = await browser.open(url.href);
  expect(end.searchParams.get('error')).toBe('invalid_request');
  expect(end.searchParams.has('code')).toBe(false);
});

test('S-009 only the code flow exists', async () => {
  const client = await flow.register({});
  const config = await connect(flow, client);
  const { response_types_supported, grant_types_supported } = config.serverMetadata();
  expect(response_types_supported).toEqual(['code']);
  expect(grant_types_supported?.sort()).toEqual([
    'authorization_code',
    'client_credentials',
    'refresh_token',
    'urn:ietf:params:oauth:grant-type:token-exchange',
  ]);
  for (const type of [
    'token',
    'id_token',
    'id_token token',
    'code id_token',
    'code token',
    'code id_token token',
    'none',
  ]) {
    const { url } = await authorizationRequest(config, { response_type: type });
    const { url: end } = await createBrowser(flow.origin).open(url.href);
    const given = new URLSearchParams(end.hash ? end.hash.slice(1) : end.search);
    expect([type, given.get('error')]).toEqual([type, 'unsupported_response_type']);
    expect(given.has('code') || given.has('access_token') || given.has('id_token')).toBe(false);
  }
});

test('S-048 the password grant and the implicit grant do not exist', async () => {
  const client = await flow.register({});
  for (const grant of ['password', 'implicit', 'urn:ietf:params:oauth:grant-type:device_code', '__proto__']) {
    const answer = await post(
      `${flow.issuer}/token`,
      { grant_type: grant, username: 'x', password: 'y' },
      basic(client),
    );
    expect(answer.json.error).toBe('unsupported_grant_type');
  }
});

test('the hints of the application reach the page', async () => {
  const client = await flow.register({ name: 'Notes', metadata: { policy_uri: 'https://app.example.com/policy' } });
  const { url } = await authorizationRequest(await connect(flow, client), {
    login_hint: 'hana@example.com',
    ui_locales: 'ko en',
    acr_values: 'a b',
    display: 'popup',
  });
  const page = pageOf(await createBrowser(flow.origin).open(url.href));
  expect(page).toMatchObject({
    prompt: 'login',
    reasons: ['no_session'],
    params: { loginHint: 'hana@example.com', uiLocales: ['ko', 'en'], acrValues: ['a', 'b'], display: 'popup' },
    client: {
      id: client.id,
      name: 'Notes',
      policyUri: 'https://app.example.com/policy',
      redirectHost: 'app.example.com',
    },
    accessTokenLifetime: 900,
    offlineAccess: false,
  });
  expect(page.accountId).toBeUndefined();
});

describe('the request as a form', () => {
  test('is answered over plain http, by sending the browser to the same request as an address (ensure-post-request-succeeds)', async () => {
    const person = await flow.people.create();
    const config = await connect(flow, await flow.register({}));
    const browser = createBrowser(flow.origin);
    await signIn(flow, config, person.id, { browser });
    const { url, verifier, state, nonce } = await authorizationRequest(config);
    const first = await browser.request('/authorize', { method: 'POST', body: url.searchParams });
    // 303, never 307: nothing of the form is sent on. S-011
    expect(first.status).toBe(303);
    const visit = await browser.open(new URL(first.headers.get('location')!, flow.origin).href);
    const tokens = await oidc.authorizationCodeGrant(config, visit.url, {
      pkceCodeVerifier: verifier,
      expectedState: state,
      expectedNonce: nonce,
    });
    expect(tokens.claims()?.sub).toBe(person.id);
  });

  test('works when it is longer than any address', async () => {
    const person = await flow.people.create();
    const config = await connect(flow, await flow.register({}));
    const browser = createBrowser(flow.origin);
    const { url, verifier, state, nonce } = await authorizationRequest(config, { unknown: 'x'.repeat(12_000) });
    const visit = await answerPages(
      await browser.submit('/authorize', Object.fromEntries(url.searchParams)),
      browser,
      person.id,
    );
    const tokens = await oidc.authorizationCodeGrant(config, visit.url, {
      pkceCodeVerifier: verifier,
      expectedState: state,
      expectedNonce: nonce,
    });
    expect(tokens.claims()?.sub).toBe(person.id);
  });

  test('S-005 a parameter in both the address and the form was sent twice', async () => {
    const { url } = await authorizationRequest(await connect(flow, await flow.register({})));
    const browser = createBrowser(flow.origin);
    const visit = await browser.open('/authorize?scope=openid', { method: 'POST', body: url.searchParams });
    expect(visit.url.searchParams.get('error')).toBe('invalid_request');
    expect(visit.url.searchParams.get('error_description')).toContain('scope');
  });
});

test('S-013 state comes back as it was sent, and nothing else does', async () => {
  const person = await flow.people.create();
  const config = await connect(flow, await flow.register({}));
  const browser = createBrowser(flow.origin);
  const printable = String.fromCharCode(...Array.from({ length: 95 }, (_, index) => 32 + index));
  for (const state of [
    printable,
    `${'%41+%2B&=#?/'.repeat(170)}`.slice(0, 2048),
    '<script>alert(1)</script>',
    '한글 state',
  ]) {
    const { callback } = await signIn(flow, config, person.id, { browser, parameters: { state, foo: 'reflected' } });
    expect(callback.searchParams.get('state')).toBe(state);
    expect(callback.href).not.toContain('reflected');
  }
});

test('S-083 the ID token names its issuer, its one audience and the nonce exactly', async () => {
  const person = await flow.people.create();
  const client = await flow.register({});
  const config = await connect(flow, client);
  const nonce = '<nonce> +%"\\ 한';
  const { tokens } = await signIn(flow, config, person.id, { parameters: { nonce } });
  const claims = tokens.claims()!;
  expect([claims.iss, claims.iss]).toEqual([flow.issuer, config.serverMetadata().issuer]);
  // With one audience there is nobody to tell apart by azp.
  expect([claims.aud, claims.azp ?? client.id]).toEqual([client.id, client.id]);
  expect(claims.nonce).toBe(nonce);
});

describe('S-163 S-088 what a token says of the sign-in is what was done:', () => {
  const done = async (browser: Browser, config: oidc.Configuration, accountId: string, amr?: string) => {
    const { url, verifier, state, nonce } = await authorizationRequest(config, {
      acr_values: 'urn:example:hardware urn:daemun:acr:two-factor',
      claims: JSON.stringify({ id_token: { amr: { values: [['hwk']] } } }),
    });
    const page = await browser.open(url.href);
    const visit = amr ? await browser.submit(`${page.url.pathname}/login`, { account: accountId, amr }) : page;
    const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce };
    const { acr, amr: methods, auth_time } = (await oidc.authorizationCodeGrant(config, visit.url, checks)).claims()!;
    return { acr, amr: methods, auth_time: auth_time! };
  };

  test.each([['pwd'], ['otp'], ['pwd otp']])(
    'by %s, and the same an hour later without another sign-in',
    async (amr) => {
      const person = await flow.people.create();
      const config = await connect(flow, await flow.register({}));
      const browser = createBrowser(flow.origin);
      const before = Math.floor(Date.now() / 1000);
      const first = await done(browser, config, person.id, amr);
      expect(first).toMatchObject({ acr: 'urn:daemun:acr:one-factor', amr: amr.split(' ') });
      expect(first.auth_time).toBeGreaterThanOrEqual(before);
      expect(first.auth_time).toBeLessThanOrEqual(Math.ceil(Date.now() / 1000));
      await flow.age(3600);
      const later = await done(browser, config, person.id);
      expect(later).toEqual({ ...first, auth_time: first.auth_time - 3600 });
    },
  );
});

test('an application without a scope in its request is not refused', async () => {
  const person = await flow.people.create();
  const config = await connect(flow, await flow.register({}));
  const { tokens } = await signIn(flow, config, person.id, { parameters: { scope: null, nonce: null } });
  expect(tokens.scope).toBe('openid');
});

test('a scope that exists nowhere is refused by name', async () => {
  const person = await flow.people.create();
  const config = await connect(flow, await flow.register({}));
  const browser = createBrowser(flow.origin);
  const { url } = await authorizationRequest(config, { scope: 'everything', nonce: null });
  const visit = await answerPages(await browser.open(url.href), browser, person.id);
  expect(visit.url.searchParams.get('error')).toBe('invalid_scope');
});

test('S-053 a client cannot get a scope that it is not registered for', async () => {
  const person = await flow.people.create();
  const config = await connect(flow, await flow.register({ metadata: { scope: 'openid email' } }));
  const browser = createBrowser(flow.origin);
  const { url } = await authorizationRequest(config, { scope: 'openid profile' });
  const visit = await answerPages(await browser.open(url.href), browser, person.id);
  expect(visit.url.searchParams.get('error')).toBe('invalid_scope');
});

test('S-012 the authorization endpoint has no CORS headers for anybody', async () => {
  const { url } = await authorizationRequest(await connect(flow, await flow.register({})));
  for (const origin of ['https://app.example.com', 'https://evil.example', 'null']) {
    for (const method of ['GET', 'OPTIONS']) {
      const response = await fetch(url, { method, redirect: 'manual', headers: { origin } });
      const names = [...response.headers.keys()].filter((name) => name.startsWith('access-control'));
      expect(names).toEqual([]);
    }
  }
});

test('S-037 neither codes nor tokens nor secrets are written to the log', async () => {
  const person = await flow.people.create();
  const client = await flow.register({ metadata: { grant_types: ['authorization_code', 'refresh_token'] } });
  const { tokens, callback } = await signIn(flow, await connect(flow, client), person.id);
  const secrets = [callback.searchParams.get('code')!, tokens.access_token, tokens.refresh_token!, client.secret];
  const log = flow.log.join('');
  for (const secret of secrets) expect(log).not.toContain(secret);
  expect(log).toContain(client.id);
});
