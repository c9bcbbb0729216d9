import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { requestContext } from '../../../src/platform/http/context.ts';
import { createCsrf } from '../../../src/platform/http/csrf.ts';
import { errors } from '../../../src/platform/http/errors.ts';
import { parseForm } from '../../../src/platform/http/form.ts';
import { createLogger } from '../../../src/platform/logger.ts';
import { type RunningServer, serve } from './serve.ts';

const logger = createLogger({ level: 'silent', production: true });

function open(issuer: string, key = Buffer.alloc(32, 1)): Promise<RunningServer> {
  const csrf = createCsrf({ key, issuer });
  return serve(requestContext({ trustedProxies: [] }), errors({ renderError: () => {}, logger }), async (ctx) => {
    if (ctx.method === 'GET') ctx.body = [csrf.token(ctx), csrf.token(ctx)];
    else {
      csrf.check(ctx, await parseForm(ctx));
      ctx.body = 'done';
    }
  });
}

async function visit(server: RunningServer, cookie?: string) {
  const { headers, body } = await server.ask('/', cookie ? { headers: { cookie } } : {});
  const [token, again] = JSON.parse(body) as string[];
  const setCookie = headers['set-cookie']?.[0] as string | undefined;
  return { token: token!, again, setCookie, cookie: cookie ?? setCookie!.split(';')[0]! };
}

function submit(server: RunningServer, fields: Record<string, string>, headers: Record<string, string>) {
  return server.ask('/', {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    body: new URLSearchParams(fields).toString(),
  });
}

describe('on https', () => {
  const issuer = 'https://id.example.com';
  let server: RunningServer;
  let other: RunningServer;
  beforeAll(async () => {
    server = await open(issuer);
    other = await open(issuer, Buffer.alloc(32, 2));
  });
  afterAll(() => Promise.all([server.close(), other.close()]));

  test('S-151 the cookie is __Host-, Secure, HttpOnly and SameSite=Lax', async () => {
    const { setCookie } = await visit(server);
    expect(setCookie).toMatch(/^__Host-daemun_browser=[\w-]{43}; path=\/; samesite=lax; secure; httponly$/i);
  });

  test('one answer makes one cookie, however many forms it has', async () => {
    const { token, again } = await visit(server);
    expect(token).toBe(again);
  });

  test('a browser that has its cookie keeps it', async () => {
    const first = await visit(server);
    const second = await visit(server, first.cookie);
    expect([second.setCookie, second.token]).toEqual([undefined, first.token]);
  });

  test.each([
    ['same-origin navigation', { 'sec-fetch-site': 'same-origin', origin: issuer }],
    ['a page that sends no referrer', { 'sec-fetch-site': 'same-origin', origin: 'null' }],
    ['a browser without fetch metadata', { origin: issuer }],
    ['no browser at all', {}],
  ])('a form with its token is accepted from %s', async (_from, headers) => {
    const { token, cookie } = await visit(server);
    expect((await submit(server, { csrf: token }, { cookie, ...headers })).status).toBe(200);
  });

  test.each([
    ['another site', { 'sec-fetch-site': 'cross-site' }],
    ['a sibling host', { 'sec-fetch-site': 'same-site', origin: 'https://evil.example.com' }],
    ['a foreign origin', { origin: 'https://evil.example' }],
    ['our host over http', { origin: 'http://id.example.com' }],
    ['our host on another port', { origin: 'https://id.example.com:8443' }],
    ['the address bar', { 'sec-fetch-site': 'none' }],
  ])('S-155 S-170 a form from %s is refused even with its token and cookie', async (_from, headers) => {
    const { token, cookie } = await visit(server);
    const { status, body } = await submit(server, { csrf: token }, { cookie, ...headers });
    expect([status, JSON.parse(body).code]).toEqual([403, 'cross_site_request']);
  });

  test('S-155 a token is worth nothing in another browser, cut, changed, or under another key', async () => {
    const mine = await visit(server);
    const attacker = await visit(server);
    const flipped = `${mine.token.startsWith('A') ? 'B' : 'A'}${mine.token.slice(1)}`;
    const attempts: [Record<string, string>, Record<string, string>][] = [
      [{ csrf: attacker.token }, { cookie: mine.cookie }],
      [{ csrf: mine.token.slice(0, -2) }, { cookie: mine.cookie }],
      [{ csrf: flipped }, { cookie: mine.cookie }],
      [{ csrf: '' }, { cookie: mine.cookie }],
      [{}, { cookie: mine.cookie }],
      [{ csrf: mine.token }, {}],
      [{ csrf: mine.token }, { cookie: '__Host-daemun_browser=short' }],
      [{ csrf: (await visit(other)).token }, { cookie: mine.cookie }],
    ];
    for (const [fields, headers] of attempts) {
      expect([fields, headers, (await submit(server, fields, headers)).status]).toEqual([fields, headers, 403]);
    }
  });
});

test('on loopback http the cookie has a plain name, because browsers would drop __Host- there', async () => {
  const server = await open('http://localhost:3000');
  const { setCookie, token, cookie } = await visit(server);
  expect(setCookie).toMatch(/^daemun_browser=[\w-]{43}; path=\/; samesite=lax; httponly$/i);
  expect((await submit(server, { csrf: token }, { cookie, origin: 'http://localhost:3000' })).status).toBe(200);
  await server.close();
});
