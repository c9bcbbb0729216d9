import { once } from 'node:events';
import { Agent, createServer, request, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { type OverloadOptions, shedOverload } from '../../../src/platform/http/overload.ts';
import { createMetrics } from '../../../src/platform/metrics.ts';

const WORDS = {
  busy: [
    { locale: 'en', title: 'Soon', text: 'There are many.' },
    { locale: 'ko', title: '잠시만요', text: '요청이 많아요.' },
  ],
  tooSlow: [{ locale: 'en', title: 'Late', text: 'You were slow.' }],
};

let server: Server;
let port: number;
let text: () => Promise<string>;
const lines: unknown[][] = [];

async function serve(options: Partial<OverloadOptions>, listener: Parameters<typeof shedOverload>[1]): Promise<void> {
  const metrics = await createMetrics();
  text = async () => (await metrics.exposition()).text;
  lines.length = 0;
  const guarded = shedOverload(
    {
      requests: 20,
      delay: 60_000,
      isSpared: (path) => path === '/jwks',
      isForPrograms: (path) => path === '/token',
      hasPages: (path) => path !== '/api',
      words: WORDS,
      metrics,
      logger: { warn: (...line: unknown[]) => void lines.push(line) } as never,
      ...options,
    },
    listener,
  );
  server = createServer(guarded).listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
}

afterEach(() => {
  server.closeAllConnections();
  server.close();
});

interface Answer {
  status: number;
  headers: Record<string, unknown>;
  body: string;
}

function ask(path: string, headers: Record<string, string> = {}, agent?: Agent): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path, headers, ...(agent && { agent }) }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body }));
    })
      .on('error', reject)
      .end();
  });
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 10));
}

test('what there is no room for is refused at once and in the form of its place; what is spared is answered; then all is well', async () => {
  const held: ServerResponse[] = [];
  await serve({}, (req, res) => void (req.url === '/slow' ? held.push(res) : res.end('served')));
  const agent = new Agent();
  const slow = Array.from({ length: 20 }, () => ask('/slow', {}, agent));
  await until(() => held.length === 20);
  const program = await ask('/token');
  expect([program.status, program.headers['content-type']]).toEqual([503, 'application/json; charset=utf-8']);
  expect(JSON.parse(program.body)).toMatchObject({ error: 'temporarily_unavailable' });
  expect(Number(program.headers['retry-after'])).toBeGreaterThan(0);
  expect(program.headers['cache-control']).toBe('no-store');
  const page = await ask('/', { accept: 'text/html,*/*' });
  expect([page.status, page.headers['content-type']]).toEqual([503, 'text/html; charset=utf-8']);
  expect(page.headers['content-security-policy']).toMatch(/^default-src 'none'/);
  expect(page.body).toMatch(/<html lang="en">[\s\S]*<title>Soon<\/title>[\s\S]*<p>There are many\.<\/p>/);
  const korean = await ask('/', { accept: 'text/html,*/*', 'accept-language': 'ko-KR,ko;q=0.9,en;q=0.8' });
  expect([korean.status, korean.headers['content-language']]).toEqual([503, 'ko']);
  expect(korean.body).toMatch(/<html lang="ko">[\s\S]*<h1>잠시만요<\/h1>\n<p>요청이 많아요\.<\/p>/);
  expect(Number(korean.headers['content-length'])).toBe(Buffer.byteLength(korean.body));
  // Whatever they say they accept: Java's own client says HTML first.
  const api = await ask('/api', { accept: 'text/html, image/gif, */*; q=.2' });
  expect([api.status, api.headers['content-type']]).toEqual([503, 'application/problem+json']);
  const other = await ask('/');
  expect([other.status, JSON.parse(other.body).code]).toEqual([503, 'unavailable']);
  expect((await ask('/jwks')).status).toBe(200);
  expect(await text()).toContain('daemun_requests_shed_total{reason="requests"} 5');
  expect(await text()).toContain('daemun_requests_in_progress 20');
  // A flood of them is one line.
  expect(lines).toHaveLength(1);
  for (const res of held) res.end('late');
  expect((await Promise.all(slow)).every(({ status, body }) => status === 200 && body === 'late')).toBe(true);
  expect((await ask('/token')).status).toBe(200);
  await until(async () => (await text()).includes('daemun_requests_in_progress 0'));
});

test('thousands at once are each answered, by 200 or 503, and the next one is served', async () => {
  await serve({ requests: 100 }, (_req, res) => void setTimeout(() => res.end('served'), 20));
  const agent = new Agent({ maxSockets: 1_000 });
  const statuses = (await Promise.all(Array.from({ length: 4_000 }, () => ask('/token', {}, agent)))).map(
    ({ status }) => status,
  );
  expect(new Set(statuses)).toEqual(new Set([200, 503]));
  expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(100);
  expect((await ask('/token')).status).toBe(200);
  agent.destroy();
});

test.each(['POST', 'PATCH'])('who sends its body slowly takes no place: %s', async (method) => {
  await serve({}, (req, res) => {
    req.resume();
    req.on('end', () => res.end('served'));
  });
  const sockets = Array.from({ length: 40 }, () => connect(port, '127.0.0.1'));
  for (const socket of sockets) {
    socket.write(`${method} /token HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345`);
    socket.on('error', () => {});
  }
  await until(async () => (await text()).includes('daemun_requests_in_progress 40'));
  expect((await ask('/token')).status).toBe(200);
  for (const socket of sockets) socket.destroy();
  await until(async () => (await text()).includes('daemun_requests_in_progress 0'));
});

test('who never ends its body is told so, which is nobody’s overload', async () => {
  await serve({ deadline: 1_000 }, (req, res) => {
    req.resume();
    req.on('end', () => res.end('served'));
  });
  const socket = connect(port, '127.0.0.1');
  socket.write('POST /token HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345');
  let answer = '';
  socket.setEncoding('utf8').on('data', (chunk) => {
    answer += chunk;
  });
  await once(socket, 'close');
  expect(answer).toMatch(/^HTTP\/1.1 408 /);
  expect(answer).toMatch(/\r\nConnection: close\r\n/i);
  expect(await text()).toContain('daemun_requests_shed_total{reason="deadline"} 0');
  expect(lines).toEqual([]);
  expect(await text()).toContain('daemun_requests_in_progress 0');
});

test('a browser that never ends its body is told so by a page', async () => {
  await serve({ deadline: 1_000 }, (req) => void req.resume());
  const socket = connect(port, '127.0.0.1');
  socket.write('POST /form HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\nContent-Length: 10\r\n\r\n12345');
  let answer = '';
  socket.setEncoding('utf8').on('data', (chunk) => {
    answer += chunk;
  });
  await once(socket, 'close');
  expect(answer).toMatch(/^HTTP\/1.1 408 [\s\S]*\r\nConnection: close\r\n[\s\S]*<h1>Late<\/h1>/i);
});

test('bodies on their way are many, and not without end: each of them is kept', async () => {
  await serve({}, (req, res) => {
    req.resume();
    req.on('end', () => res.end('served'));
  });
  const sockets = Array.from({ length: 200 }, () => connect(port, '127.0.0.1'));
  for (const socket of sockets) {
    socket.write('POST /token HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345');
    socket.on('error', () => {});
  }
  await until(async () => (await text()).includes('daemun_requests_in_progress 160'));
  await until(async () => (await text()).includes('daemun_requests_shed_total{reason="requests"} 40'));
  // What brings none is served.
  expect((await ask('/token')).status).toBe(200);
  for (const socket of sockets) socket.destroy();
  await until(async () => (await text()).includes('daemun_requests_in_progress 0'));
});

test('an event loop that comes late time and again sheds what is more than a few, and only until it is on time again', async () => {
  const held: ServerResponse[] = [];
  await serve({ requests: 1000, delay: 100 }, (_req, res) => void held.push(res));
  const agent = new Agent();
  const few = Array.from({ length: 17 }, () => ask('/slow', {}, agent));
  await until(() => held.length === 17);
  const block = () => {
    const end = performance.now() + 300;
    while (performance.now() < end);
  };
  let shed: Answer | undefined;
  while (shed?.status !== 503) {
    block();
    await new Promise((resolve) => setImmediate(resolve));
    block();
    await new Promise((resolve) => setImmediate(resolve));
    const asked = ask('/token', {}, agent);
    block();
    // Whoever was taken is answered.
    const ending = setInterval(() => {
      for (const res of held.splice(17)) res.end('served');
    }, 5);
    shed = await asked;
    clearInterval(ending);
  }
  expect(await text()).toContain('daemun_requests_shed_total{reason="event_loop"}');
  for (const res of held) res.end('late');
  expect((await Promise.all(few)).every(({ status }) => status === 200)).toBe(true);
  const last = ask('/token');
  await until(() => held.length > 17);
  held.at(-1)!.end('served');
  expect((await last).status).toBe(200);
});

test('a request that takes longer than anybody waits is answered by 503, and slow ones are told of', async () => {
  let slow = 0;
  await serve({ deadline: 1_500, onSlow: () => (slow += 1) }, (req, res) => {
    if (req.url === '/begun') res.write('begun');
  });
  const answer = await ask('/token');
  expect([answer.status, JSON.parse(answer.body).error]).toEqual([503, 'temporarily_unavailable']);
  expect(slow).toBeGreaterThan(0);
  expect(await text()).toContain('daemun_requests_shed_total{reason="deadline"} 1');
});

test('while the database is away programs are told so before any work', async () => {
  let isAway = true;
  await serve({ isDatabaseAway: () => isAway }, (_req, res) => void res.end('served'));
  expect((await ask('/token')).status).toBe(503);
  expect((await ask('/jwks')).status).toBe(200);
  // Pages have a page for that.
  expect((await ask('/')).status).toBe(200);
  isAway = false;
  expect((await ask('/token')).status).toBe(200);
});
