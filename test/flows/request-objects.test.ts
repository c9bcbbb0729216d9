import { generateKeyPairSync, sign } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type JWTPayload, SignJWT, UnsecuredJWT } from 'jose';
import type { Account } from '../../src/accounts/account.ts';
import { type Browser, createBrowser } from '../support/flow-browser.ts';
import { answerPages, authorizationRequest, basic, connect, pageOf, post } from '../support/flow-client.ts';
import { CALLBACK, type Flow, startFlow } from '../support/flow-server.ts';

const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
const jwk = { ...pair.publicKey.export({ format: 'jwk' }), kid: 'k1', use: 'sig', alg: 'RS256' };

let flow: Flow;
let person: Account;
let browser: Browser;
let client: { id: string; secret: string };
beforeAll(async () => {
  flow = await startFlow();
  client = await flow.register({
    metadata: { jwks: { keys: [jwk] }, redirect_uris: [CALLBACK, `${CALLBACK}/second`] },
  });
});
afterAll(() => flow.close());
beforeEach(async () => {
  person = await flow.people.create();
  browser = createBrowser(flow.origin);
});

async function inside(changes: Record<string, unknown> = {}): Promise<JWTPayload> {
  const { url } = await authorizationRequest(await connect(flow, client));
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    ...Object.fromEntries(url.searchParams),
    iss: client.id,
    aud: flow.issuer,
    iat: now,
    exp: now + 60,
    ...changes,
  };
  return JSON.parse(JSON.stringify(claims));
}

const signed = async (changes: Record<string, unknown> = {}, header: Record<string, unknown> = {}) =>
  new SignJWT(await inside(changes)).setProtectedHeader({ alg: 'RS256', kid: 'k1', ...header }).sign(pair.privateKey);

const outside = (request: string, more: Record<string, string> = {}) =>
  browser.open(
    `/authorize?${new URLSearchParams({ client_id: client.id, response_type: 'code', scope: 'openid', redirect_uri: CALLBACK, request, ...more })}`,
  );

function nested(depth: number): unknown {
  let value: unknown = {};
  for (let level = 0; level < depth; level++) value = { userinfo: value };
  return value;
}

const errorOf = (visit: Awaited<ReturnType<typeof outside>>) =>
  visit.url.origin === flow.origin
    ? pageOf(visit).error
    : new URLSearchParams(visit.url.hash.slice(1) || visit.url.search).get('error');

test('a signed request object is processed, with the redirect_uri inside it (ensure-request-object-with-redirect-uri)', async () => {
  const request = await signed({ redirect_uri: `${CALLBACK}/second`, state: 'inside', scope: 'openid email' });
  const page = await outside(request, { state: 'outside', login_hint: 'outside' });
  expect(pageOf(page).params.loginHint).toBeUndefined();
  const { url } = await answerPages(page, browser, person.id);
  expect([`${url.origin}${url.pathname}`, url.searchParams.get('state')]).toEqual([`${CALLBACK}/second`, 'inside']);
});

test('S-022 what stands only outside a request object does not count', async () => {
  const request = await signed({ nonce: undefined, state: undefined });
  const { url } = await answerPages(await outside(request, { state: 'outside', nonce: 'outside' }), browser, person.id);
  expect(url.searchParams.has('state')).toBe(false);
  expect(url.searchParams.has('code')).toBe(true);
});

test('an unsigned request object is refused as not supported, never ignored (unsigned-request-object-…)', async () => {
  const visit = await outside(new UnsecuredJWT(await inside()).encode(), { state: 's' });
  expect(errorOf(visit)).toBe('request_not_supported');
  expect([visit.url.origin + visit.url.pathname, visit.url.searchParams.get('iss')]).toEqual([CALLBACK, flow.issuer]);
  const pushed = await post(
    `${flow.issuer}/par`,
    { request: new UnsecuredJWT(await inside()).encode() },
    basic(client),
  );
  expect([pushed.status, pushed.json.error]).toEqual([400, 'request_not_supported']);
});

test('a signed request object can be pushed', async () => {
  const { json, status } = await post(`${flow.issuer}/par`, { request: await signed() }, basic(client));
  expect(status).toBe(201);
  const visit = await browser.open(
    `/authorize?${new URLSearchParams({ client_id: client.id, request_uri: json.request_uri })}`,
  );
  expect((await answerPages(visit, browser, person.id)).url.searchParams.has('code')).toBe(true);
});

describe('S-043 S-075 a request object is refused when it is', () => {
  const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const now = () => Math.floor(Date.now() / 1000);

  test.each<[string, () => Promise<string>]>([
    ['no JWT', async () => 'not.a.jwt'],
    ['empty of everything', async () => '..'],
    ['for another server', () => signed({ aud: 'https://other.example' })],
    ['by another client', () => signed({ iss: 'other' })],
    ['about another client', () => signed({ client_id: 'other' })],
    ['expired', () => signed({ exp: now() - 60 })],
    ['not valid yet', () => signed({ nbf: now() + 120 })],
    ['dated in the future (S-044)', () => signed({ iat: now() + 90, exp: now() + 150 })],
    ['nested deeper than anybody means', () => signed({ claims: nested(12) })],
    ['nested so deep that nothing could hold it', () => signed({ claims: nested(300) })],
    ['nested too deep in claims that are a text', () => signed({ claims: JSON.stringify(nested(12)) })],
    ['carrying a state of more than 2 KiB (S-013)', () => signed({ state: 'x'.repeat(2049) })],
    ['expiring at a text', () => signed({ exp: 'never' })],
    ['holding another request', () => signed({ request: 'x' })],
    ['pointing to another request', () => signed({ request_uri: 'https://other.example' })],
    ['of another response type than outside', () => signed({ response_type: 'id_token' })],
    [
      'signed by a stranger',
      async () => new SignJWT(await inside()).setProtectedHeader({ alg: 'RS256', kid: 'k1' }).sign(stranger.privateKey),
    ],
    [
      'signed by a key it brings along',
      async () =>
        new SignJWT(await inside())
          .setProtectedHeader({ alg: 'RS256', jwk: stranger.publicKey.export({ format: 'jwk' }) as never })
          .sign(stranger.privateKey),
    ],
    [
      'signed with the public key as a secret',
      async () =>
        new SignJWT(await inside())
          .setProtectedHeader({ alg: 'HS256' })
          .sign(Buffer.from(pair.publicKey.export({ format: 'pem', type: 'spki' }) as string)),
    ],
    [
      'signed with the client secret',
      async () => new SignJWT(await inside()).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(client.secret)),
    ],
    [
      'signed by an algorithm nobody offered',
      async () => new SignJWT(await inside()).setProtectedHeader({ alg: 'RS512', kid: 'k1' }).sign(pair.privateKey),
    ],
    ['tampered with', async () => (await signed()).replace(/\.([^.]{20})/, '.AAAAAAAAAAAAAAAAAAAA')],
    [
      'holding a member twice (S-080)',
      async () => {
        const [header, payload] = (await signed()).split('.');
        const text = Buffer.from(payload!, 'base64url').toString().replace('{', '{"scope":"email",');
        const input = `${header}.${Buffer.from(text).toString('base64url')}`;
        return `${input}.${sign('sha256', Buffer.from(input), pair.privateKey).toString('base64url')}`;
      },
    ],
    ['in another spelling of base64url (S-080)', async () => `${await signed()}=`],
    ['cut short', async () => (await signed()).slice(0, -4)],
    ['repeating a parameter', () => signed({ scope: ['openid', 'email'] })],
    ['full of NUL', () => signed({ scope: '\u0000' })],
    ['full of lone surrogates', () => signed({ scope: '\ud800' })],
  ])('%s', async (_, make) => {
    const visit = await outside(await make());
    expect(visit.url.searchParams.has('code')).toBe(false);
    expect(errorOf(visit)).toMatch(/^(invalid_|unsupported_|request_)/);
  });
});

test('S-025 NUL and lone surrogates that only JSON can carry come through unharmed', async () => {
  const strange = 'a\u0000b\ud800c';
  const { url } = await answerPages(
    await outside(
      await signed({
        state: strange,
        nonce: strange,
        login_hint: strange,
        ui_locales: strange,
        claims: { userinfo: { name: { value: strange } } },
      }),
    ),
    browser,
    person.id,
  );
  expect(url.searchParams.get('state')).toBe('a\u0000b\ufffdc');
  expect(url.searchParams.has('code')).toBe(true);
});

describe('S-019 a request_uri elsewhere', () => {
  test('is refused, and nobody goes there (request-uri-unsigned-…)', async () => {
    let calls = 0;
    const trap = createServer((_request, response) => {
      calls++;
      response.end();
    });
    await new Promise<void>((resolve) => trap.listen(0, '127.0.0.1', resolve));
    const { port } = trap.address() as AddressInfo;
    for (const request_uri of [
      `http://127.0.0.1:${port}/request.jwt`,
      `https://127.0.0.1:${port}/`,
      'file:///etc/passwd',
      '//x',
      'urn:other',
    ]) {
      const visit = await browser.open(
        `/authorize?${new URLSearchParams({ client_id: client.id, response_type: 'code', redirect_uri: CALLBACK, scope: 'openid', request_uri })}`,
      );
      expect([request_uri, errorOf(visit)]).toEqual([request_uri, 'request_uri_not_supported']);
    }
    expect(calls).toBe(0);
    await new Promise((resolve) => trap.close(resolve));
  });

  test('beside a request object is refused', async () => {
    const visit = await outside(await signed(), { request_uri: 'urn:ietf:params:oauth:request_uri:x' });
    expect(errorOf(visit)).toBe('invalid_request');
  });
});

test('dynamic registration inside a request is not supported', async () => {
  const { url } = await authorizationRequest(await connect(flow, client), { registration: '{}' });
  expect((await browser.open(url.href)).url.searchParams.get('error')).toBe('registration_not_supported');
});
