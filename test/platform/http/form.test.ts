import { connect } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { requestContext } from '../../../src/platform/http/context.ts';
import { errors } from '../../../src/platform/http/errors.ts';
import { BODY_LIMIT, parseForm } from '../../../src/platform/http/form.ts';
import { createLogger } from '../../../src/platform/logger.ts';
import { type RunningServer, serve } from './serve.ts';

const FORM = 'application/x-www-form-urlencoded';

let server: RunningServer;
let outcome: (status: number) => void = () => {};
beforeAll(async () => {
  server = await serve(
    requestContext({ trustedProxies: [] }),
    async (ctx, next) => {
      await next();
      outcome(ctx.status);
    },
    errors({ renderError: () => {}, logger: createLogger({ level: 'silent', production: true }) }),
    async (ctx) => {
      ctx.body = Object.entries(await parseForm(ctx));
    },
  );
});
afterAll(() => server.close());

const post = (body: string | Buffer, headers: Record<string, string> = { 'content-type': FORM }) =>
  server.ask('/', { method: 'POST', headers, body });

test('fields arrive decoded, in any script', async () => {
  const { body } = await post('a=b+c&%EC%9D%B4%EB%A6%84=%EB%8C%80%EB%AC%B8&empty=&%5B%5D=x');
  expect(JSON.parse(body)).toEqual([
    ['a', 'b c'],
    ['이름', '대문'],
    ['empty', ''],
    ['[]', 'x'],
  ]);
});

test('names of the object prototype are only names', async () => {
  const { body } = await post('__proto__=a&constructor=b&toString=c');
  expect(JSON.parse(body)).toEqual([
    ['__proto__', 'a'],
    ['constructor', 'b'],
    ['toString', 'c'],
  ]);
});

test.each([
  ['twice the same', 'a=1&a=1'],
  ['twice, once encoded', 'a=1&%61=2'],
  ['twice a name of the prototype', '__proto__=1&__proto__=2'],
])('S-005 a field sent %s is refused', async (_how, body) => {
  const answer = await post(body);
  expect([answer.status, JSON.parse(answer.body).code]).toEqual([400, 'bad_request']);
});

test.each(['a=%00', '%00=a', 'a=x%00y'])('a NUL character is refused: %s', async (body) => {
  expect((await post(body)).status).toBe(400);
});

test.each([
  [{ 'content-type': 'application/json' }],
  [{ 'content-type': 'text/plain' }],
  [{ 'content-type': 'multipart/form-data; boundary=x' }],
  [{ 'content-type': `${FORM}; charset=iso-8859-1` }],
  [{ 'content-type': FORM, 'content-encoding': 'gzip' }],
  [{ 'content-type': '' }],
  [{} as Record<string, string>],
])('S-170 %j is refused with 415', async (headers) => {
  expect((await post('a=b', headers)).status).toBe(415);
});

test.each([`${FORM};charset=UTF-8`, `${FORM}; charset="utf-8"`, 'APPLICATION/x-www-form-urlencoded'])(
  '%s is a form',
  async (type) => {
    expect((await post('a=b', { 'content-type': type })).status).toBe(200);
  },
);

test('a body of exactly the limit is read and one byte more is 413', async () => {
  expect((await post(`a=${'x'.repeat(BODY_LIMIT - 2)}`)).status).toBe(200);
  expect((await post(`a=${'x'.repeat(BODY_LIMIT - 1)}`)).status).toBe(413);
});

test('a large body without a declared length is 413 too', async () => {
  const answer = await post(Buffer.alloc(4 * 1024 * 1024, 'a'), {
    'content-type': FORM,
    'transfer-encoding': 'chunked',
  });
  expect(answer.status).toBe(413);
});

test('a declared length over the limit is answered before the body is sent', async () => {
  const socket = connect(server.port, '127.0.0.1');
  socket.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Type: ${FORM}\r\nContent-Length: 999999999\r\n\r\na=`);
  const [chunk] = await new Promise<[Buffer]>((resolve) => socket.once('data', (data) => resolve([data])));
  expect(chunk.toString()).toMatch(/^HTTP\/1\.1 413 /);
  socket.destroy();
});

test('a body that ends too early is the sender’s error, not ours', async () => {
  const status = new Promise<number>((resolve) => {
    outcome = resolve;
  });
  const socket = connect(server.port, '127.0.0.1');
  socket.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Type: ${FORM}\r\nContent-Length: 100\r\n\r\na=b`, () =>
    socket.destroy(),
  );
  expect(await status).toBe(400);
});
