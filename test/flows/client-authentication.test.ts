import { generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { type AddressInfo, createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { type JWTPayload, SignJWT, UnsecuredJWT } from 'jose';
import * as oidc from 'openid-client';
import { basic, connect, post, signIn } from '../support/flow-client.ts';
import { type Flow, startFlow } from '../support/flow-server.ts';

const grant_types = ['client_credentials', 'authorization_code'];
const FORM = { grant_type: 'client_credentials' };

let flow: Flow;
beforeAll(async () => {
  flow = await startFlow();
});
afterAll(() => flow.close());

const ask = (form: Record<string, string> | string, headers: Record<string, string> = {}, query = '') =>
  post(`${flow.issuer}/token${query}`, form, headers);

describe('with a secret', () => {
  let byHeader: { id: string; secret: string };
  let byBody: { id: string; secret: string };
  let open: { id: string; secret: string };
  beforeAll(async () => {
    byHeader = await flow.register({ metadata: { grant_types } });
    byBody = await flow.register({ metadata: { grant_types, token_endpoint_auth_method: 'client_secret_post' } });
    open = await flow.register({ metadata: { token_endpoint_auth_method: 'none' } });
  });

  test('each registered way works, also by library (server-client-secret-post)', async () => {
    const person = await flow.people.create();
    expect((await ask(FORM, basic(byHeader))).status).toBe(200);
    const config = await connect(flow, byBody, { authentication: oidc.ClientSecretPost(byBody.secret) });
    expect((await signIn(flow, config, person.id)).tokens.claims()!.sub).toBe(person.id);
  });

  test('S-040 no other way than the registered one works', async () => {
    const inBody = ({ id, secret }: { id: string; secret: string }) => ({ client_id: id, client_secret: secret });
    const refused = [
      await ask({ ...FORM, ...inBody(byHeader) }),
      await ask(FORM, basic(byBody)),
      await ask({ ...FORM, client_id: byHeader.id }),
      await ask({ ...FORM, client_id: byBody.id }),
      await ask({ ...FORM, client_id: open.id, client_secret: 'anything' }),
      await ask(FORM, basic({ id: open.id, secret: 'anything' })),
    ];
    for (const { status, json } of refused) expect([status, json.error]).toEqual([401, 'invalid_client']);
  });

  test('S-039 more than one way in one request is refused', async () => {
    const form = { ...FORM, client_id: byHeader.id, client_secret: byHeader.secret };
    const assertion = { client_assertion: 'a.b.c', client_assertion_type: 'urn:x' };
    for (const [fields, headers] of [
      [form, basic(byHeader)],
      [{ ...FORM, ...assertion }, basic(byHeader)],
      [{ ...form, ...assertion }, {}],
    ] as const) {
      const { status, json } = await ask(fields, headers);
      expect([status, json.error]).toEqual([400, 'invalid_request']);
    }
  });

  test('S-038 S-005 nothing of it counts in the address', async () => {
    for (const query of [
      `?client_id=${byBody.id}&client_secret=${byBody.secret}`,
      '?grant_type=client_credentials',
      '?scope=a',
      '?refresh_token=x',
      '?client_assertion=x',
    ]) {
      const { status, json } = await ask(FORM, basic(byHeader), query);
      expect([status, json.error]).toEqual([400, 'invalid_request']);
    }
    expect((await ask(FORM, basic(byHeader), '?unknown=1')).status).toBe(200);
  });

  test.each<[string, (right: string) => string]>([
    ['empty', () => ''],
    ['wrong', () => 'dmn_cs_wrong'],
    ['cut short', (right) => right.slice(0, -1)],
    ['extended', (right) => `${right}x`],
    ['in other letters', (right) => right.toUpperCase()],
    ['endless', () => 'x'.repeat(8000)],
  ])('S-045 a secret that is %s is refused', async (_, change) => {
    const { status, json } = await ask(FORM, basic({ id: byHeader.id, secret: change(byHeader.secret) }));
    expect([400, 401]).toContain(status);
    expect(['invalid_client', 'invalid_request']).toContain(json.error);
    const body = await ask({ ...FORM, client_id: byBody.id, client_secret: change(byBody.secret) });
    expect(body.status).toBe(401);
  });

  test('S-052 an unknown client and a wrong secret look alike', async () => {
    const unknown = await ask(FORM, basic({ id: 'nobody', secret: byHeader.secret }));
    const wrong = await ask(FORM, basic({ id: byHeader.id, secret: 'dmn_cs_wrong' }));
    expect(unknown.json).toEqual(wrong.json);
    expect([unknown.status, wrong.status]).toEqual([401, 401]);
    expect(wrong.headers.get('www-authenticate')).toContain('Basic realm=');
  });

  test.each<[string, (credentials: { id: string; secret: string }) => string]>([
    ['not base64', () => 'Basic ???'],
    [
      'base64 with the wrong padding',
      ({ id, secret }) => `Basic ${Buffer.from(`${id}:${secret}`).toString('base64').replace(/=*$/, '===')}`,
    ],
    ['without a colon', ({ id }) => `Basic ${Buffer.from(id).toString('base64')}`],
    ['with a broken escape', ({ id, secret }) => `Basic ${Buffer.from(`${id}:%ZZ${secret}`).toString('base64')}`],
    ['with a control character', ({ id }) => `Basic ${Buffer.from(`${id}:\u0001`).toString('base64')}`],
    ['of two words', ({ id, secret }) => `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')} more`],
    ['of another scheme', () => 'Bearer abc'],
    ['empty', () => 'Basic '],
  ])('S-041 a header that is %s is refused, and not read in a second way', async (_, header) => {
    const { status, json } = await ask(FORM, { authorization: header(byHeader) });
    expect([400, 401]).toContain(status);
    expect(['invalid_client', 'invalid_request']).toContain(json.error);
  });

  test('S-045 during a rotation the old and the new secret work, afterwards only the new one', async () => {
    const rotated = await flow.clients.rotateSecret(byHeader.id, { overlapSeconds: 60 }, {});
    if (rotated.kind !== 'rotated') throw new Error(rotated.kind);
    const renewed = { id: byHeader.id, secret: rotated.secret as string };
    expect((await ask(FORM, basic(byHeader))).status).toBe(200);
    expect((await ask(FORM, basic(renewed))).status).toBe(200);
    const final = await flow.clients.rotateSecret(byHeader.id, { overlapSeconds: 0 }, {});
    if (final.kind !== 'rotated') throw new Error(final.kind);
    expect((await ask(FORM, basic(byHeader))).status).toBe(401);
    expect((await ask(FORM, basic(renewed))).status).toBe(401);
    byHeader = { id: byHeader.id, secret: final.secret };
    expect((await ask(FORM, basic(byHeader))).status).toBe(200);
  });

  test('S-047 a disabled client cannot authenticate anywhere, at once', async () => {
    const client = await flow.register({ metadata: { grant_types } });
    const token = (await ask(FORM, basic(client))).json.access_token;
    await flow.clients.disable(client.id, {});
    for (const [path, form] of [
      ['/token', FORM],
      ['/introspect', { token }],
      ['/revoke', { token }],
      ['/par', { response_type: 'code' }],
    ] as const) {
      const { status, json } = await post(`${flow.issuer}${path}`, form, basic(client));
      expect([path, status, json.error]).toEqual([path, 401, 'invalid_client']);
    }
    await flow.clients.enable(client.id, {});
    expect((await ask(FORM, basic(client))).status).toBe(200);
  });

  test('S-175 a failed authentication is in the audit log', async () => {
    await ask(FORM, basic({ id: byBody.id, secret: 'wrong' }));
    expect(await flow.auditedTypes(byBody.id, 'token.refused')).toContain('token.refused');
  });
});

describe('with a signed assertion (private_key_jwt)', () => {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = { ...pair.publicKey.export({ format: 'jwk' }), kid: 'k1', alg: 'ES256', use: 'sig' };
  let client: { id: string };
  beforeAll(async () => {
    client = await flow.register({
      metadata: { grant_types, token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [jwk] } },
    });
  });

  const now = () => Math.floor(Date.now() / 1000);

  function assertion(
    changes: Record<string, unknown> = {},
    header: Record<string, unknown> = {},
    key = pair.privateKey,
  ) {
    const claims = { iss: client.id, sub: client.id, aud: flow.issuer, jti: randomUUID(), iat: now(), exp: now() + 60 };
    const payload = JSON.parse(JSON.stringify({ ...claims, ...changes })) as JWTPayload;
    return new SignJWT(payload).setProtectedHeader({ alg: 'ES256', kid: 'k1', ...header }).sign(key);
  }

  const present = async (client_assertion: string, extra: Record<string, string> = {}) =>
    ask({
      ...FORM,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion,
      ...extra,
    });

  test('works by library, addressed to the issuer (ensure-client-assertion-with-iss-aud-succeeds)', async () => {
    const key = await crypto.subtle.importKey(
      'pkcs8',
      pair.privateKey.export({ format: 'der', type: 'pkcs8' }) as unknown as BufferSource,
      { name: 'ECDSA', namedCurve: 'P-256' },
      false,
      ['sign'],
    );
    const config = await connect(flow, client, { authentication: oidc.PrivateKeyJwt({ key, kid: 'k1' }) });
    expect((await oidc.clientCredentialsGrant(config)).access_token).toEqual(expect.any(String));
  });

  test('S-042 each assertion works once, also when it is used twice at the same moment', async () => {
    const once = await assertion();
    const answers = await Promise.all(Array.from({ length: 8 }, () => present(once)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect((await present(once)).json.error).toBe('invalid_client');
  });

  test.each<[string, () => Record<string, unknown>]>([
    ['addressed to the token endpoint', () => ({ aud: `${flow.issuer}/token` })],
    ['addressed to a list', () => ({ aud: [flow.issuer] })],
    ['addressed to somebody else', () => ({ aud: 'https://other.example' })],
    ['addressed to nobody', () => ({ aud: undefined })],
    ['by another issuer', () => ({ iss: 'somebody' })],
    ['without an issuer', () => ({ iss: undefined })],
    ['without a subject', () => ({ sub: undefined })],
    ['about another client', () => ({ sub: 'somebody' })],
    ['without an id', () => ({ jti: undefined })],
    ['without an end', () => ({ exp: undefined })],
    ['expired', () => ({ exp: now() - 60 })],
    ['valid for a day', () => ({ exp: now() + 86_400 })],
    ['valid for ever', () => ({ exp: 1e308 })],
    ['with an end that is no number', () => ({ exp: 'tomorrow' })],
    ['with a fraction for an end', () => ({ exp: now() + 60.5 })],
    ['not valid yet (S-044)', () => ({ nbf: now() + 90 })],
    ['dated in the future (S-044)', () => ({ iat: now() + 90, exp: now() + 150 })],
  ])('S-042 one that is %s is refused', async (_, changes) => {
    const { status, json } = await present(await assertion(changes()));
    expect([400, 401]).toContain(status);
    expect(['invalid_client', 'invalid_request']).toContain(json.error);
  });

  test('S-044 clocks may differ by a few seconds', async () => {
    expect((await present(await assertion({ iat: now() + 10, nbf: now() + 10 }))).status).toBe(200);
  });

  test('S-080 one that can be read in two ways is refused, though its signature is right', async () => {
    const [header] = (await assertion()).split('.');
    const claims = { iss: client.id, aud: flow.issuer, jti: randomUUID(), exp: now() + 60 };
    const text = `{"sub":"other","sub":"${client.id}",${JSON.stringify(claims).slice(1)}`;
    const input = `${header}.${Buffer.from(text).toString('base64url')}`;
    const options = { key: pair.privateKey, dsaEncoding: 'ieee-p1363' } as const;
    const signature = sign('sha256', Buffer.from(input), options).toString('base64url');
    expect([(await present(`${input}.${signature}`)).status]).toEqual([400]);
    expect((await present(`${await assertion()}=`)).status).toBe(400);
  });

  test('S-043 S-075 S-076 S-077 S-078 the algorithm and the key are ours to choose, not the header’s', async () => {
    const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const strangerJwk = stranger.publicKey.export({ format: 'jwk' });
    const publicPem = pair.publicKey.export({ format: 'pem', type: 'spki' }) as string;
    const claims = { iss: client.id, sub: client.id, aud: flow.issuer, jti: randomUUID(), exp: now() + 60 };
    const [, payload, signature] = (await assertion()).split('.');
    const encoded = (header: object) => Buffer.from(JSON.stringify(header)).toString('base64url');
    const wrong = [
      new UnsecuredJWT(claims).encode(),
      await new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: 'k1' }).sign(Buffer.from(publicPem)),
      await assertion({}, { jwk: strangerJwk }, stranger.privateKey),
      await assertion({}, { kid: 'k2', jku: 'http://127.0.0.1:1/keys' }, stranger.privateKey),
      await assertion({}, { x5u: 'http://127.0.0.1:1/cert' }, stranger.privateKey),
      `${encoded({ alg: 'ES256', crit: ['exp'], kid: 'k1' })}.${payload}.${signature}`,
      `${encoded({ alg: 'ES256', kid: '../../../../dev/null' })}.${payload}.${signature}`,
      `${encoded({ alg: 'ES256', kid: 'x'.repeat(30_000) })}.${payload}.${signature}`,
      `${encoded({ alg: 'ES256' })}.${payload}.`,
      `${payload}.${payload}`,
      'not a token',
    ];
    for (const one of wrong) {
      const { status, json } = await present(one);
      expect([400, 401]).toContain(status);
      expect(['invalid_client', 'invalid_request']).toContain(json.error);
    }
  });

  test('S-176 keys are not fetched from private addresses, and failing is a clean refusal', async () => {
    let calls = 0;
    const trap = createServer((socket) => {
      calls++;
      socket.destroy();
    });
    await new Promise<void>((resolve) => trap.listen(0, '127.0.0.1', resolve));
    // Its own protection, which does not work under a test runner; ours stands in front of it.
    const warning = jest.spyOn(console, 'warn').mockImplementation(() => {});
    const { port } = trap.address() as AddressInfo;
    for (const host of [`https://127.0.0.1:${port}`, `https://localhost:${port}`]) {
      const metadata = { grant_types, token_endpoint_auth_method: 'private_key_jwt', jwks_uri: `${host}/keys` };
      const remote = await flow.register({ metadata });
      const answer = await present(await assertion({ iss: remote.id, sub: remote.id }));
      expect([host, answer.status, answer.json.error]).toEqual([host, 401, 'invalid_client']);
    }
    expect(calls).toBe(0);
    warning.mockRestore();
    await new Promise((resolve) => trap.close(resolve));
  });

  test('S-040 a client with a key cannot do without it', async () => {
    expect((await ask({ ...FORM, client_id: client.id })).status).toBe(401);
    expect((await ask(FORM, basic({ id: client.id, secret: 'x' }))).status).toBe(401);
    const other = await flow.register({ metadata: { grant_types } });
    expect((await present(await assertion({ iss: other.id, sub: other.id }))).status).toBe(401);
  });
});

test('S-049 client_credentials is for clients that authenticate, gives no refresh token, and its subject is no person', async () => {
  const resource = 'https://machine.example.com/';
  await flow.registerResource({ identifier: resource, name: 'API', scopes: [{ name: 'run', description: 'Run' }] });
  const client = await flow.register({
    metadata: { grant_types: ['client_credentials', 'authorization_code', 'refresh_token'] },
    resources: [resource],
  });
  const { json } = await ask({ ...FORM, resource, scope: 'run openid' }, basic(client));
  expect(json.refresh_token).toBeUndefined();
  expect(json.id_token).toBeUndefined();
  expect(json.scope).toBe('run');
  const payload = JSON.parse(Buffer.from(json.access_token.split('.')[1], 'base64url').toString());
  expect(payload).toMatchObject({ sub: client.id, client_id: client.id, aud: resource });
  expect(payload.sub).not.toMatch(/^[0-9a-f]{8}-/);
  const open = await flow.register({ metadata: { token_endpoint_auth_method: 'none' } });
  const refused = await ask({ ...FORM, client_id: open.id });
  expect([refused.status, refused.json.error]).toEqual([400, 'invalid_request']);
});

describe('S-046 guessing', () => {
  let limited: Flow;
  beforeAll(async () => {
    limited = await startFlow({ authenticationFailures: 3 });
  });
  afterAll(() => limited.close());

  const call = (form: Record<string, string>, credentials: { id: string; secret: string }) =>
    post(`${limited.issuer}/token`, form, basic(credentials));

  test('a secret is slowed down, for that client and address alone', async () => {
    const client = await limited.register({ metadata: { grant_types } });
    const other = await limited.register({ metadata: { grant_types } });
    for (let tries = 0; tries < 3; tries++) {
      expect((await call(FORM, { id: client.id, secret: `wrong-${tries}` })).status).toBe(401);
    }
    const refused = await call(FORM, { id: client.id, secret: 'wrong' });
    expect([refused.status, refused.json.error]).toEqual([429, 'temporarily_unavailable']);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    // The right one tells no more than a wrong one.
    expect((await call(FORM, client)).json).toEqual(refused.json);
    for (const path of ['/introspect', '/revoke', '/par']) {
      expect((await post(`${limited.issuer}${path}`, { token: 'x' }, basic(client))).status).toBe(429);
    }
    expect((await call(FORM, other)).status).toBe(200);
    // Once, however often it is tried. S-175
    await limited.audit.queue.tokenRefused({ clientId: client.id, error: 'last' }, {});
    const recorded = await limited.database.prisma.auditEvent.findMany({
      where: { clientId: client.id, type: 'client.throttled' },
    });
    expect(recorded.map(({ details }) => details)).toEqual([{ limit: 'failures', retryAfter: expect.any(Number) }]);
  });

  test('junk that visitors hand to an application locks nobody out', async () => {
    const grants = ['client_credentials', 'authorization_code', 'refresh_token'];
    const client = await limited.register({ metadata: { grant_types: grants } });
    const redirect_uri = 'https://app.example.com/callback';
    const junk = { code: 'junk', code_verifier: 'a'.repeat(43), redirect_uri, refresh_token: 'junk' };
    for (let round = 0; round < 10; round++) {
      for (const grant_type of ['authorization_code', 'refresh_token']) {
        const { status, json } = await call({ ...junk, grant_type }, client);
        expect([status, json.error]).toEqual([400, 'invalid_grant']);
      }
    }
    expect((await call(FORM, client)).status).toBe(200);
  });

  test('does not count what succeeds, nor what is merely badly put', async () => {
    const client = await limited.register({ metadata: { grant_types } });
    for (let calls = 0; calls < 6; calls++) {
      expect((await call(FORM, client)).status).toBe(200);
      expect((await call({ grant_type: 'unknown' }, client)).status).toBe(400);
    }
    const together = await Promise.all(Array.from({ length: 12 }, () => call(FORM, client)));
    expect(new Set(together.map(({ status }) => status))).toEqual(new Set([200]));
  });
});
