import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type RequestState, requestContext } from '../../../src/platform/http/context.ts';
import { errors } from '../../../src/platform/http/errors.ts';
import { health } from '../../../src/platform/http/health.ts';
import { hostCheck } from '../../../src/platform/http/host-check.ts';
import { plainPaths } from '../../../src/platform/http/paths.ts';
import { contentSecurityPolicy, securityHeaders } from '../../../src/platform/http/security-headers.ts';
import { createLogger } from '../../../src/platform/logger.ts';
import { type RunningServer, serve } from './serve.ts';

const issuer = 'https://id.example.com';
const host = 'id.example.com';
const BROWSER = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';
const logger = createLogger({ level: 'silent', production: true });

let server: RunningServer;
let ready = true;
beforeAll(async () => {
  server = await serve(
    requestContext({ trustedProxies: ['127.0.0.1'] }),
    securityHeaders({ issuer }),
    errors({
      logger,
      renderError(ctx, error) {
        ctx.type = 'html';
        ctx.body = `<h1>${error.code}</h1>`;
      },
    }),
    health({
      isReady: async () => {
        if (!ready) throw new Error('the database is gone');
        return true;
      },
    }),
    hostCheck(issuer, (path) => path === '/token'),
    plainPaths(),
    (ctx) => {
      const { address, requestId, nonce } = ctx.state as RequestState;
      if (ctx.path === '/state') ctx.body = { address, requestId };
      if (ctx.path === '/own-policy') {
        ctx.set('Content-Security-Policy', contentSecurityPolicy({ nonce, formAction: ['https://app.example.com'] }));
        ctx.body = nonce;
      }
    },
  );
});
afterAll(() => server.close());

const ask = (path: string, headers = {}, method = 'GET') => server.ask(path, { method, headers: { host, ...headers } });

describe('host', () => {
  test.each([['id.example.com'], ['ID.Example.COM'], ['id.example.com:443']])('%s is served', async (name) => {
    expect((await ask('/state', { host: name })).status).toBe(200);
  });

  test.each([
    ['evil.example'],
    ['id.example.com.evil.example'],
    ['id.example.com:8443'],
    ['127.0.0.1'],
    ['id.example.com@evil'],
    [''],
  ])('S-169 %j is answered with 421 and told where to go', async (name) => {
    const { status, body } = await ask('/state', { host: name });
    expect(status).toBe(421);
    expect(JSON.parse(body)).toMatchObject({ code: 'misdirected', detail: expect.stringContaining(issuer) });
    if (name) expect(body).not.toContain(`"${name}"`);
  });

  test.each([
    ['/state', BROWSER, 'text/html; charset=utf-8'],
    ['/state', 'application/json', 'application/problem+json'],
    ['/state', '*/*', 'application/problem+json'],
    ['/token', BROWSER, 'application/problem+json'],
  ])('S-169 %s under a wrong host, accepting %s, is answered as %s', async (path, accept, type) => {
    const { status, headers } = await ask(path, { host: 'evil.example', accept });
    expect([status, headers['content-type']]).toEqual([421, type]);
  });

  test('S-169 a forwarded host changes nothing, not even from a trusted proxy', async () => {
    expect((await ask('/state', { 'x-forwarded-host': 'evil.example', forwarded: 'host=evil.example' })).status).toBe(
      200,
    );
    expect((await ask('/state', { host: 'evil.example', 'x-forwarded-host': host })).status).toBe(421);
  });

  test('S-169 a request target with a host of its own is refused', async () => {
    expect((await ask('http://evil.example/state')).status).toBe(400);
    expect((await ask(`https://${host}/state`)).status).toBe(400);
  });

  test('health is answered under any host, because load balancers ask by address', async () => {
    expect((await ask('/healthz', { host: '10.1.2.3' })).status).toBe(200);
  });
});

describe('health', () => {
  test('readiness follows the database, liveness does not', async () => {
    expect((await ask('/readyz')).status).toBe(200);
    ready = false;
    expect((await ask('/readyz')).status).toBe(503);
    expect((await ask('/healthz')).status).toBe(200);
    ready = true;
  });

  test('other methods are refused with 405', async () => {
    const { status, headers } = await ask('/healthz', {}, 'POST');
    expect([status, headers.allow]).toEqual([405, 'GET, HEAD']);
  });
});

describe('path', () => {
  test.each([
    '//state',
    '/./state',
    '/x/../state',
    '/state/.',
    '/%2e/state',
    '/x/%2E%2e/state',
    '/state;a=b',
    '/state%3Ba',
    '/%2fstate',
    '/x%5C..%5Cstate',
    '/\\state',
    '/state%00',
    '/%252e/state',
  ])('S-171 %s leads nowhere', async (path) => {
    expect((await ask(path)).status).toBe(404);
  });

  test.each(['/state%', '/%zz', '/state?a=%00'])('%s is badly encoded', async (path) => {
    expect((await ask(path)).status).toBe(400);
  });

  test('a query may hold what a path may not', async () => {
    expect((await ask('/state?next=//x;y&z=%2e%2F..')).status).toBe(200);
  });
});

describe('headers', () => {
  test('S-168 every answer has them, errors too', async () => {
    for (const path of ['/state', '/nowhere']) {
      const { headers } = await ask(path);
      expect(headers).toMatchObject({
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'cross-origin-opener-policy': 'same-origin',
        'strict-transport-security': expect.stringMatching(/^max-age=\d{8}/),
        'x-frame-options': 'DENY',
      });
    }
  });

  test('S-168 S-024 S-023 the policy allows our own files only, nothing inline, no framing', async () => {
    const policy = String((await ask('/state')).headers['content-security-policy']);
    const directives = new Map(policy.split('; ').map((directive) => directive.split(/ (.*)/) as [string, string]));
    expect(Object.fromEntries(directives)).toMatchObject({
      'default-src': "'none'",
      'script-src': "'self'",
      'style-src': "'self'",
      'object-src': "'none'",
      'base-uri': "'none'",
      'frame-ancestors': "'none'",
      'form-action': "'self'",
    });
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
  });

  test('a route may answer with a policy of its own, with a nonce of that one answer', async () => {
    const [first, second] = [await ask('/own-policy'), await ask('/own-policy')];
    expect(first.body).not.toBe(second.body);
    expect(first.headers['content-security-policy']).toContain(`script-src 'self' 'nonce-${first.body}'`);
    expect(first.headers['content-security-policy']).toContain("form-action 'self' https://app.example.com");
  });

  test('without https there is no HSTS', async () => {
    const plain = await serve(securityHeaders({ issuer: 'http://localhost:3000' }), (ctx) => {
      ctx.body = 'x';
    });
    expect((await plain.ask('/')).headers['strict-transport-security']).toBeUndefined();
    await plain.close();
  });
});

describe('request state', () => {
  test('S-132 the address comes from the trusted chain', async () => {
    const { body } = await ask('/state', { 'x-forwarded-for': '198.51.100.1, 203.0.113.7' });
    expect(JSON.parse(body).address).toBe('203.0.113.7');
  });

  test('a trusted proxy may name the request; nonsense is replaced', async () => {
    const given = await ask('/state', { 'x-request-id': 'abc-12345' });
    expect(given.headers['x-request-id']).toBe('abc-12345');
    const replaced = await ask('/state', { 'x-request-id': 'a"} {"level":"error' });
    expect(replaced.headers['x-request-id']).toMatch(/^[\da-f-]{36}$/);
  });
});
