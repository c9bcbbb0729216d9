import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { createRateLimiter, type RateLimiter } from '../../src/platform/rate-limiter.ts';
import { createBrowser } from '../support/flow-browser.ts';
import { authorizationRequest, basic, connect, pageOf, post, signIn } from '../support/flow-client.ts';
import { CALLBACK, type Flow, startFlow } from '../support/flow-server.ts';

const FORM = { grant_type: 'client_credentials' };
const grant_types = ['client_credentials', 'authorization_code'];

describe('what strangers send is not kept', () => {
  const keys: string[] = [];
  const noting = (limiter: RateLimiter): RateLimiter => ({
    ...limiter,
    take(key) {
      keys.push(key);
      return limiter.take(key);
    },
  });
  let flow: Flow;
  beforeAll(async () => {
    flow = await startFlow({
      limits: {
        clientAuthentication: noting(createRateLimiter({ points: 1000, seconds: 60 })),
        clientAuthenticationByAddress: noting(createRateLimiter({ points: 1000, seconds: 60 })),
      },
    });
  });
  afterAll(() => flow.close());
  afterEach(() => void keys.splice(0));

  test.each([
    ['short', 8],
    ['as long as a body may be', 24_000],
  ])('S-046 ids of clients that do not exist, %s, leave nothing but the address', async (_, bytes) => {
    for (let round = 0; round < 20; round++) {
      const client_id = randomBytes(bytes).toString('hex');
      expect((await post(`${flow.issuer}/token`, { ...FORM, client_id })).json.error).toBe('invalid_client');
    }
    expect([...new Set(keys)]).toEqual(['127.0.0.1']);
  });

  test('S-046 what succeeds leaves nothing at all', async () => {
    const client = await flow.register({ metadata: { grant_types } });
    for (let round = 0; round < 5; round++) {
      expect((await post(`${flow.issuer}/token`, FORM, basic(client))).status).toBe(200);
    }
    expect(keys).toEqual([]);
  });
});

describe('one address', () => {
  let flow: Flow;
  beforeAll(async () => {
    flow = await startFlow({ strangers: 3, authenticationFailuresByAddress: 6 });
  });
  afterAll(() => flow.close());

  const rows = async (kind: string) => {
    const { rows } = await flow.database.pool.query(
      'SELECT count(*)::int AS n FROM protocol_artifacts WHERE kind = $1',
      [kind],
    );
    return rows[0].n as number;
  };

  test('makes us keep so much and no more, unless the browser is signed in', async () => {
    const person = await flow.people.create();
    const config = await connect(flow, await flow.register({}));
    const { browser } = await signIn(flow, config, person.id);
    const begin = async (by = createBrowser(flow.origin)) => by.open((await authorizationRequest(config)).url.href);
    expect([pageOf(await begin()).prompt, pageOf(await begin()).prompt]).toEqual(['login', 'login']);
    const kept = await rows('Interaction');
    const refused = await begin();
    expect([refused.response!.status, pageOf(refused).error]).toEqual([429, 'temporarily_unavailable']);
    expect(Number(refused.response!.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await rows('Interaction')).toBe(kept);
    for (let round = 0; round < 5; round++) expect((await begin(browser)).url.searchParams.has('code')).toBe(true);

    const sessions = await rows('Session');
    const logout = await createBrowser(flow.origin).open('/logout');
    expect([logout.response!.status, await rows('Session')]).toEqual([429, sessions]);

    const open = await flow.register({ metadata: { token_endpoint_auth_method: 'none' } });
    const closed = await flow.register({});
    const { url } = await authorizationRequest(config);
    const pushed = (id: string, headers = {}) => {
      url.searchParams.set('client_id', id);
      return post(`${flow.issuer}/par`, url.searchParams.toString(), headers);
    };
    expect((await pushed(open.id)).status).toBe(429);
    for (let round = 0; round < 5; round++) expect((await pushed(closed.id, basic(closed))).status).toBe(201);
  });

  test('S-175 writes nothing into the audit log by what is nobody’s, nor by what is over a limit', async () => {
    const { url } = await authorizationRequest(await connect(flow, await flow.register({})));
    const open = async (address: string) => (await createBrowser(flow.origin).open(address)).response!;
    while ((await open(url.href)).status !== 429);
    const refused = [await open(url.href), await open(url.href), await open(`${flow.issuer}/authorize`)];
    url.searchParams.set('client_id', 'made-up');
    refused.push(await open(url.href));
    const ofNoClient = await post(`${flow.issuer}/token`, { grant_type: 'made-up' });
    expect([...refused, ofNoClient].map(({ status }) => status)).toEqual([429, 429, 400, 400, 400]);
    // Limited by itself, and recorded after all of the above.
    const last = await post(`${flow.issuer}/token`, { ...FORM, client_id: 'made-up' });
    const ids = [...refused, ofNoClient, last].map(({ headers }) => headers.get('x-request-id'));
    const recorded = async () => {
      const text = 'SELECT type, request_id FROM audit_events WHERE request_id = ANY ($1)';
      return (await flow.database.pool.query(text, [ids])).rows;
    };
    while ((await recorded()).length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await recorded()).toEqual([{ type: 'token.refused', request_id: ids.at(-1) }]);
  });

  test('S-046 that fails with one client after another is refused before any is looked up', async () => {
    const client = await flow.register({ metadata: { grant_types } });
    for (let round = 0; round < 5; round++) {
      expect((await post(`${flow.issuer}/token`, { ...FORM, client_id: `client-${round}` })).status).toBe(401);
    }
    const refused = await post(`${flow.issuer}/token`, FORM, basic(client));
    expect([refused.status, refused.json.error]).toEqual([429, 'temporarily_unavailable']);
  });
});

describe('what is too long', () => {
  let flow: Flow;
  beforeAll(async () => {
    flow = await startFlow();
  });
  afterAll(() => flow.close());

  const TOO_LONG: [string, number][] = [
    ['state', 2048],
    ['nonce', 1024],
    ['login_hint', 1024],
    ['ui_locales', 1024],
    ['acr_values', 1024],
    ['resource', 2048],
    ['scope', 4096],
    ['claims', 8192],
  ];

  test.each(TOO_LONG)('S-013 %s of more than %i bytes is refused on a page, and not sent back', async (name, most) => {
    const config = await connect(flow, await flow.register({}));
    const { url } = await authorizationRequest(config, { [name]: 'x'.repeat(most + 1) });
    for (const visit of [
      await createBrowser(flow.origin).open(url.href),
      await createBrowser(flow.origin).open('/authorize', { method: 'POST', body: url.searchParams }),
    ]) {
      expect([visit.url.origin, visit.response?.status]).toEqual([flow.origin, 400]);
      expect(visit.text).not.toContain('xxxx');
    }
  });

  test('S-013 as a whole is refused too', async () => {
    const config = await connect(flow, await flow.register({}));
    const { url } = await authorizationRequest(config, { unknown: 'x'.repeat(16_384) });
    const visit = await createBrowser(flow.origin).open('/authorize', { method: 'POST', body: url.searchParams });
    expect([visit.url.origin, visit.response?.status]).toEqual([flow.origin, 413]);
  });

  test.each(TOO_LONG)('%s is refused in a pushed request', async (name, most) => {
    const client = await flow.register({});
    const { url } = await authorizationRequest(await connect(flow, client), { [name]: 'x'.repeat(most + 1) });
    const { status, json } = await post(`${flow.issuer}/par`, url.searchParams.toString(), basic(client));
    expect([status, json.error, json.error_description]).toEqual([
      400,
      'invalid_request',
      expect.stringContaining(name),
    ]);
  });

  test('S-013 the state of a sign-out is refused', async () => {
    const visit = await createBrowser(flow.origin).open('/logout', {
      method: 'POST',
      body: new URLSearchParams({ state: 'x'.repeat(2049) }),
    });
    expect(visit.response?.status).toBe(400);
  });

  test.each([11, 1000])('S-025 claims nested %i deep are refused in a pushed request', async (depth) => {
    const client = await flow.register({});
    const claims = `{"userinfo":{"name":{"value":${'['.repeat(depth - 3)}${']'.repeat(depth - 3)}}}}`;
    const { url } = await authorizationRequest(await connect(flow, client), { claims });
    const { status, json } = await post(`${flow.issuer}/par`, url.searchParams.toString(), basic(client));
    expect([status, json.error]).toEqual([400, 'invalid_request']);
  });
});

describe('S-051 programs get JSON, whatever they accept:', () => {
  let flow: Flow;
  beforeAll(async () => {
    flow = await startFlow();
  });
  afterAll(() => flow.close());

  test.each([
    ['a wrong method', 405, { method: 'GET' }],
    ['a body too large', 413, { method: 'POST', body: new URLSearchParams({ x: 'x'.repeat(70_000) }) }],
    ['a body that is no form', 400, { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } }],
    ['an unknown client', 401, { method: 'POST', body: new URLSearchParams({ ...FORM, client_id: 'unknown' }) }],
  ])('%s is %i', async (_, status, init: RequestInit) => {
    const response = await fetch(`${flow.issuer}/token`, {
      ...init,
      headers: { ...init.headers, accept: 'text/html' },
    });
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toMatch(/^application\/(problem\+)?json/);
    expect(typeof (await response.json())).toBe('object');
  });
});

describe('a client’s own lifetimes are the shorter ones', () => {
  let flow: Flow;
  beforeAll(async () => {
    flow = await startFlow();
  });
  afterAll(() => flow.close());

  const lifetimes = async (metadata: Record<string, unknown>) => {
    const person = await flow.people.create();
    const client = await flow.register({
      metadata: { grant_types: ['authorization_code', 'refresh_token'], redirect_uris: [CALLBACK], ...metadata },
    });
    const { tokens } = await signIn(flow, await connect(flow, client), person.id);
    const { iat, exp } = tokens.claims()!;
    const looked = await post(`${flow.issuer}/introspect`, { token: tokens.refresh_token! }, basic(client));
    return { idToken: exp - iat, refreshToken: looked.json.exp - looked.json.iat };
  };

  test('when they are shorter', async () => {
    expect(await lifetimes({ id_token_lifetime: 120, refresh_token_lifetime: 600 })).toEqual({
      idToken: 120,
      refreshToken: 600,
    });
  });

  test('and the server’s otherwise', async () => {
    const server = { idToken: 3600, refreshToken: 30 * 86_400 };
    expect(await lifetimes({})).toEqual(server);
    expect(await lifetimes({ id_token_lifetime: 86_400, refresh_token_lifetime: 31_536_000 })).toEqual(server);
  });
});
