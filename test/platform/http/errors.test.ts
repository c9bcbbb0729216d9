import { Writable } from 'node:stream';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as appErrors from '../../../src/platform/errors.ts';
import { requestContext } from '../../../src/platform/http/context.ts';
import { errors } from '../../../src/platform/http/errors.ts';
import { createLogger } from '../../../src/platform/logger.ts';
import { type RunningServer, serve } from './serve.ts';

const BROWSER = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';

let log = '';
let server: RunningServer;
let thrown: unknown;
let renderFails = false;
beforeAll(async () => {
  const destination = new Writable({
    write(chunk, _encoding, done) {
      log += chunk;
      done();
    },
  });
  server = await serve(
    requestContext({ trustedProxies: [] }),
    errors({
      logger: createLogger({ level: 'debug', production: true, destination }),
      renderError(ctx, error) {
        if (renderFails) throw new Error('the template is broken');
        ctx.type = 'html';
        ctx.body = `<p>${error.publicText}</p>`;
      },
    }),
    (ctx) => {
      if (ctx.path === '/throw') throw thrown;
      if (ctx.path === '/half') {
        ctx.res.writeHead(200, { 'Content-Length': 100 });
        ctx.res.write('begun');
        throw thrown;
      }
      if (ctx.path === '/status') ctx.status = Number(ctx.query.code);
      if (ctx.path === '/empty') ctx.status = 204;
    },
  );
});
afterAll(() => server.close());

async function answerTo(error: unknown, accept = '*/*') {
  thrown = error;
  log = '';
  return server.ask('/throw', { headers: { accept } });
}

test.each([
  ['bad_request', appErrors.badRequest('email', 'No.'), 400],
  ['ambiguous_credentials', appErrors.ambiguousCredentials(), 400],
  ['interaction_expired', appErrors.interactionExpired(), 400],
  ['unauthorized', appErrors.unauthorized(), 401],
  ['forbidden', appErrors.forbidden(), 403],
  ['insufficient_scope', appErrors.insufficientScope(), 403],
  ['fresh_sign_in_required', appErrors.freshSignInRequired(300), 403],
  ['cross_site_request', appErrors.crossSiteRequest('why'), 403],
  ['not_found', appErrors.notFound(), 404],
  ['method_not_allowed', appErrors.methodNotAllowed(), 405],
  ['conflict', appErrors.conflict('email'), 409],
  ['link_spent', appErrors.linkSpent(), 410],
  ['payload_too_large', appErrors.payloadTooLarge(), 413],
  ['unsupported_media_type', appErrors.unsupportedMediaType(), 415],
  ['misdirected', appErrors.misdirected(), 421],
  ['too_many_requests', appErrors.tooManyRequests(3), 429],
  ['internal', appErrors.internalError(new Error('why')), 500],
  ['unavailable', appErrors.unavailable(3), 503],
])('%s is answered to programs as problem details (RFC 9457)', async (code, error, status) => {
  const answer = await answerTo(error);
  expect(answer.status).toBe(status);
  expect(answer.headers).toMatchObject({ 'content-type': 'application/problem+json', 'cache-control': 'no-store' });
  expect(JSON.parse(answer.body)).toMatchObject({
    code,
    status,
    title: appErrors.errorKinds[error.code].text,
    ...(error.publicText !== appErrors.errorKinds[error.code].text && { detail: error.publicText }),
    request_id: answer.headers['x-request-id'],
  });
});

test('every kind of error has a constructor that the table above names', () => {
  const constructed = Object.values(appErrors)
    .filter((each): each is () => appErrors.AppError => typeof each === 'function' && each.length <= 2)
    .flatMap((construct) => {
      try {
        return construct().code ?? [];
      } catch {
        return [];
      }
    });
  expect([...new Set(constructed)].toSorted()).toEqual(Object.keys(appErrors.errorKinds).toSorted());
});

test('a browser gets the page', async () => {
  const { status, headers, body } = await answerTo(appErrors.notFound(), BROWSER);
  expect([status, headers['content-type'], body]).toEqual([
    404,
    'text/html; charset=utf-8',
    '<p>There is nothing here.</p>',
  ]);
});

test('a page that cannot be rendered is answered as plain text with the same status', async () => {
  renderFails = true;
  const { status, headers, body } = await answerTo(appErrors.forbidden(), BROWSER);
  renderFails = false;
  expect([status, headers['content-type'], body]).toEqual([
    403,
    'text/plain; charset=utf-8',
    'You are not allowed to do this.',
  ]);
  expect(log).toContain('the template is broken');
});

test.each(['*/*', BROWSER])(
  'S-052 a defect shows nothing of itself and is logged with its cause (%s)',
  async (accept) => {
    const defect = new Error('relation "users" does not exist', { cause: new Error('deeper') });
    const { status, body, headers } = await answerTo(defect, accept);
    expect(status).toBe(500);
    expect(body).not.toMatch(/users|deeper|\.ts|at /);
    const line = JSON.parse(log.trim());
    expect(line).toMatchObject({
      level: 'error',
      requestId: headers['x-request-id'],
      error: { message: 'relation "users" does not exist', cause: { message: 'deeper' } },
    });
  },
);

test('what an error object carries besides its text is not logged', async () => {
  await answerTo(
    Object.assign(new Error('failed'), { parameters: ['hunter2'], request: { headers: { cookie: 'hunter2' } } }),
  );
  expect(log).toContain('failed');
  expect(log).not.toContain('hunter2');
});

test.each([
  ['a refused connection', Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })],
  ['a statement timeout', Object.assign(new Error('canceling statement'), { code: '57014' })],
  ['a lock timeout', Object.assign(new Error('canceling statement'), { code: '55P03' })],
  ['a server that shuts down', Object.assign(new Error('terminating'), { code: '57P01' })],
  ['no connection in time', new Error('timeout exceeded when trying to connect')],
  ['a connection that broke', new Error('Connection terminated unexpectedly')],
  [
    'the same behind the ORM',
    Object.assign(new Error('x'), {
      code: 'P2010',
      meta: { driverAdapterError: { cause: { originalCode: '57P01' } } },
    }),
  ],
  ['no transaction in time', Object.assign(new Error('x'), { code: 'P2028' })],
])('%s is 503 with Retry-After', async (_what, error) => {
  const { status, headers } = await answerTo(error);
  expect([status, Number(headers['retry-after']) > 0]).toEqual([503, true]);
});

test.each([
  ['a unique violation', Object.assign(new Error('x'), { code: '23505' }), 500],
  ['a malformed URI', new URIError('URI malformed'), 400],
  ["somebody else's 413", Object.assign(new Error('x'), { status: 413, expose: true }), 413],
  ["somebody else's 422", Object.assign(new Error('x'), { status: 422, expose: true }), 400],
  ["somebody else's hidden 400", Object.assign(new Error('x'), { status: 400, expose: false }), 500],
  ['nothing', undefined, 500],
  ['a text', 'boom', 500],
])('%s thrown from elsewhere is %i', async (_what, error, status) => {
  expect((await answerTo(error)).status).toBe(status);
});

test('a wait is whole seconds and at least one', async () => {
  expect((await answerTo(appErrors.tooManyRequests(0.2))).headers['retry-after']).toBe('1');
  expect((await answerTo(appErrors.tooManyRequests(2.1))).headers['retry-after']).toBe('3');
});

test.each([
  ['/nowhere', 404, 'not_found'],
  ['/status?code=405', 405, 'method_not_allowed'],
])('%s, left unanswered, is answered as %i', async (path, status, code) => {
  const answer = await server.ask(path);
  expect([answer.status, JSON.parse(answer.body).code]).toEqual([status, code]);
});

test('an answer that is meant to be empty stays empty', async () => {
  expect(await server.ask('/empty')).toMatchObject({ status: 204, body: '' });
});

test('S-177 an answer that fails half-way is cut off, not completed', async () => {
  thrown = new Error('boom');
  await expect(server.ask('/half')).rejects.toThrow();
});
