import { createServer as createPlainServer, type RequestListener } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createOutbound, jsonOf, type OutboundAnswer } from '../../../src/platform/http/outbound.ts';
import { TLS } from '../../support/flow-tls.ts';

const seen: { method?: string; url?: string; headers: object; body: string }[] = [];
let connections = 0;

const answer: RequestListener = (request, response) => {
  let body = '';
  request.on('data', (chunk) => {
    body += chunk;
  });
  request.on('end', () => {
    const { method, url, headers } = request;
    seen.push({ method, url, headers, body });
    if (url === '/json') response.setHeader('Content-Type', 'application/json; charset=utf-8').end('{"keys":[]}');
    else if (url === '/moved') response.writeHead(302, { location: '/json' }).end();
    else if (url === '/endless') response.end('x'.repeat(65 * 1024));
    else if (url === '/silent') response.flushHeaders();
    else if (url === '/dripping') drip(response);
    else if (url === '/cut')
      response.writeHead(200, { 'Content-Length': 100 }).write('x', () => request.socket.destroy());
    else if (url === '/other-protocol') {
      request.socket.end('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n');
    } else if (url === '/nothing') response.writeHead(204).end();
    else response.writeHead(404).end('nothing');
  });
};

/** Never idle, never done: only a deadline for everything together ends it. */
function drip(response: Parameters<RequestListener>[1]): void {
  const tap = setInterval(() => response.write('x'), 20);
  response.on('close', () => clearInterval(tap));
}

const servers = { http: createPlainServer(answer), https: createSecureServer(TLS, answer) };
const origins: Record<string, string> = {};

beforeAll(async () => {
  for (const [scheme, server] of Object.entries(servers)) {
    server.on('connection', () => {
      connections += 1;
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    origins[scheme] = `${scheme}://localhost:${(server.address() as AddressInfo).port}`;
  }
});

afterAll(async () => {
  for (const server of Object.values(servers)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

beforeEach(() => {
  seen.length = 0;
  connections = 0;
});

const here = createOutbound({ allowLoopback: true, ca: TLS.cert });

test.each(['http', 'https'])('an answer over %s is an answer, and nothing of ours goes along', async (scheme) => {
  const { status, headers, body } = await here(`${origins[scheme]}/json`, { headers: { Accept: 'application/json' } });
  expect([status, headers['content-type'], String(body)]).toEqual([
    200,
    'application/json; charset=utf-8',
    '{"keys":[]}',
  ]);
  expect(seen).toMatchObject([{ method: 'GET', url: '/json', headers: { accept: 'application/json' } }]);
  expect(Object.keys(seen[0]!.headers).sort()).toEqual(['accept', 'accept-encoding', 'connection', 'host']);
  expect((await here(`${origins[scheme]}/missing`)).status).toBe(404);
});

test('a form can be sent', async () => {
  const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };
  await here(`${origins.https}/json`, { method: 'POST', headers, body: 'grant_type=authorization_code' });
  expect(seen).toMatchObject([{ method: 'POST', body: 'grant_type=authorization_code' }]);
});

test('an answer without content is an answer', async () => {
  const { status, body } = await here(`${origins.https}/nothing`);
  expect([status, body.length]).toEqual([204, 0]);
});

describe('S-176 there is no answer', () => {
  test.each([
    ['a redirect', '/moved', 'redirected'],
    ['more than fits', '/endless', 'too_large'],
    ['headers alone', '/silent', 'too_slow'],
    ['a byte now and then', '/dripping', 'too_slow'],
    ['less than promised', '/cut', 'unreachable'],
    ['another protocol', '/other-protocol', 'unreachable'],
  ])('from %s', async (_, path, code) => {
    const asked = here(`${origins.https}${path}`, code === 'too_slow' ? { deadline: 300 } : {});
    await expect(asked).rejects.toMatchObject({ name: 'OutboundError', code });
    expect(seen).toHaveLength(1);
  });

  test('from nobody', async () => {
    await expect(here('https://localhost:1/')).rejects.toMatchObject({ code: 'unreachable' });
  });

  test('from a server whose certificate nobody vouches for', async () => {
    const careful = createOutbound({ allowLoopback: true });
    await expect(careful(`${origins.https}/json`)).rejects.toMatchObject({ code: 'unreachable' });
    expect(seen).toEqual([]);
  });

  test('once the caller gave up', async () => {
    const asked = here(`${origins.https}/silent`, { signal: AbortSignal.timeout(50) });
    await expect(asked).rejects.toMatchObject({ code: 'unreachable' });
  });
});

test('the size that is read can be chosen', async () => {
  expect((await here(`${origins.https}/endless`, { largest: 65 * 1024 })).body).toHaveLength(65 * 1024);
  await expect(here(`${origins.https}/json`, { largest: 10 })).rejects.toMatchObject({ code: 'too_large' });
});

const INSIDE = [
  'localhost',
  '127.0.0.1',
  '127.1',
  '2130706433',
  '0x7f.1',
  '0.0.0.0',
  '[::1]',
  '[::]',
  '[::ffff:127.0.0.1]',
  '[::ffff:7f00:1]',
  '10.0.0.1',
  '100.64.0.1',
  '169.254.169.254',
  '172.16.0.1',
  '192.168.1.1',
  '224.0.0.1',
  '[fd00::1]',
  '[fe80::1]',
];

describe.each(['http', 'https'])('S-176 by %s nothing inside is asked', (scheme) => {
  test.each(INSIDE)('%s', async (host) => {
    const { port } = new URL(origins[scheme]!);
    await expect(createOutbound()(`${scheme}://${host}:${port}/json`)).rejects.toMatchObject({ code: 'not_allowed' });
    expect(connections).toBe(0);
  });

  test.each(['10.0.0.1', '169.254.169.254', '192.168.1.1', '[fd00::1]', '0.0.0.0'])(
    '%s is not asked by a developer’s machine either',
    async (host) => {
      await expect(here(`${scheme}://${host}/json`)).rejects.toMatchObject({ code: 'not_allowed' });
    },
  );
});

test.each(['http://1.1.1.1/', 'ftp://example.com/', 'file:///etc/passwd', 'data:application/json,{}'])(
  'S-176 %s is not asked, here or there',
  async (url) => {
    for (const outbound of [here, createOutbound()]) {
      await expect(outbound(url)).rejects.toMatchObject({ code: 'not_allowed' });
    }
  },
);

describe('JSON', () => {
  const answered = (type: string | undefined, body: string | Buffer, status = 200): OutboundAnswer => ({
    status,
    headers: type === undefined ? {} : { 'content-type': type },
    body: Buffer.from(body as string),
  });

  test.each(['application/json', 'Application/JSON; charset=utf-8', 'application/jwk-set+json'])('as %s', (type) => {
    expect(jsonOf(answered(type, '{"a":1}'))).toEqual({ a: 1 });
  });

  test.each([
    ['a page', answered('text/html', '{}')],
    ['nothing in particular', answered(undefined, '{}')],
    ['an error', answered('application/json', '{}', 404)],
    ['half of it', answered('application/json', '{"a":')],
    ['invalid UTF-8', answered('application/json', Buffer.from([0x22, 0xff, 0x22]))],
  ])('is not %s', (_, given) => {
    expect(() => jsonOf(given)).toThrow(expect.objectContaining({ code: 'not_json' }));
  });
});
