import { once } from 'node:events';
import { Agent, request, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from '@jest/globals';
import { createHttpServer, refusalOf } from '../../../src/platform/http/server.ts';
import { get } from './serve.ts';

test('closing lets requests finish, takes no new ones, and does not wait for idle connections', async () => {
  let finish: () => void = () => {};
  let arrived: () => void = () => {};
  const slowArrived = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const server = createHttpServer((req, res) => {
    if (req.url !== '/slow') return void res.end('quick');
    finish = () => res.end('finished');
    arrived();
  });
  const port = await server.listen({ host: '127.0.0.1', port: 0 });
  const keepAlive = new Agent({ keepAlive: true });
  expect(await get(port, '/', keepAlive)).toBe('quick');
  const slow = get(port, '/slow', keepAlive);
  await slowArrived;
  const closed = server.close();
  // What came before the end of listening may still be answered, or cut off by it.
  const newOne = () => get(port, '/', new Agent()).catch(({ code }) => code);
  while ((await newOne()) !== 'ECONNREFUSED') await new Promise((resolve) => setTimeout(resolve, 10));
  finish();
  expect(await slow).toBe('finished');
  await closed;
  keepAlive.destroy();
});

test('closing does not wait for connections on which nobody asked for anything', async () => {
  const server = createHttpServer((_req, res) => res.end('served'));
  const port = await server.listen({ host: '127.0.0.1', port: 0 });
  const sockets = ['', 'GET / HTTP/1.1\r\nHost: a\r\nX-Slow: '].map((head) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    if (head) socket.write(head);
    return socket;
  });
  await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
  // They are all accepted before the next one is answered.
  expect(await get(port, '/', new Agent())).toBe('served');
  const start = performance.now();
  await server.close();
  // Against twenty-five seconds for what is being answered.
  expect(performance.now() - start).toBeLessThan(15_000);
}, 60_000);

test('once keep-alive ends each answer closes its connection, also those that were under way', async () => {
  const held: ServerResponse[] = [];
  const server = createHttpServer((req, res) => void (req.url === '/slow' ? held.push(res) : res.end('quick')));
  const port = await server.listen({ host: '127.0.0.1', port: 0 });
  const agent = new Agent({ keepAlive: true });
  const connectionOf = (path: string) =>
    new Promise<string | undefined>((resolve, reject) => {
      request({ port, path, agent }, (response) => {
        response.resume().on('end', () => resolve(response.headers.connection));
      })
        .on('error', reject)
        .end();
    });
  expect(await connectionOf('/')).toBe('keep-alive');
  const slow = connectionOf('/slow');
  while (held.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  server.endKeepAlive();
  expect(await connectionOf('/')).toBe('close');
  held[0]!.end('late');
  expect(await slow).toBe('close');
  await server.close();
  agent.destroy();
});

test('a port that is taken is an error of listening', async () => {
  const first = createHttpServer(() => {});
  const port = await first.listen({ host: '127.0.0.1', port: 0 });
  await expect(createHttpServer(() => {}).listen({ host: '127.0.0.1', port })).rejects.toMatchObject({
    code: 'EADDRINUSE',
    syscall: 'listen',
  });
  await first.close();
});

test('closing a server that never listened is fine', async () => {
  await createHttpServer(() => {}).close();
});

/** Asks while this process does nothing else: what it sends waits unread. Over a connection that was used before, or a new one. */
const ASK = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { connect } = require('node:net');
  const { port, isUsed, flag } = workerData;
  const request = 'POST / HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 0\\r\\n\\r\\n';
  let answers = '';
  const open = () => {
    const socket = connect(port, '127.0.0.1');
    socket.on('data', (data) => (answers += data));
    socket.on('error', (error) => (answers += error.code));
    socket.on('close', () => parentPort.postMessage(answers));
    return socket;
  };
  const used = isUsed && open();
  if (used) used.once('data', () => parentPort.postMessage('ready')).write(request);
  else parentPort.postMessage('ready');
  parentPort.once('message', () => {
    const sent = new Int32Array(flag);
    (used || open()).write(request, () => {
      Atomics.store(sent, 0, 1);
      Atomics.notify(sent, 0);
    });
  });
`;

test.each([
  ['a kept connection', true],
  ['a new connection', false],
])('what came by %s while the process was busy is still answered when it closes', async (_what, isUsed) => {
  const server = createHttpServer((_req, res) => res.end('served'));
  const port = await server.listen({ host: '127.0.0.1', port: 0 });
  const flag = new SharedArrayBuffer(4);
  const worker = new Worker(ASK, { eval: true, workerData: { port, isUsed, flag } });
  await once(worker, 'message');
  const answered = once(worker, 'message');
  worker.postMessage('send');
  Atomics.wait(new Int32Array(flag), 0, 0, 30_000);
  await server.close();
  const [answers] = await answered;
  await worker.terminate();
  expect(answers.match(/served/g)).toHaveLength(isUsed ? 2 : 1);
});

/** Ten at once, each over a connection of its own. */
const ASK_TOGETHER = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { connect } = require('node:net');
  const sent = new Int32Array(workerData.flag);
  const asked = Array.from({ length: 10 }, () => new Promise((resolve) => {
    let answer = '';
    const socket = connect(workerData.port, '127.0.0.1');
    socket.on('data', (data) => (answer += data));
    socket.on('error', (error) => (answer += error.code));
    socket.on('close', () => resolve(answer));
    socket.write('POST / HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 0\\r\\n\\r\\n', () => {
      if (Atomics.add(sent, 0, 1) === 9) Atomics.notify(sent, 0);
    });
  }));
  Promise.all(asked).then((answers) => parentPort.postMessage(answers));
`;

test('all who connected while the process was busy are still answered when it closes', async () => {
  const server = createHttpServer((_req, res) => res.end('served'));
  const port = await server.listen({ host: '127.0.0.1', port: 0 });
  const flag = new SharedArrayBuffer(4);
  const sent = new Int32Array(flag);
  const worker = new Worker(ASK_TOGETHER, { eval: true, workerData: { port, flag } });
  const answered = once(worker, 'message');
  const deadline = Date.now() + 30_000;
  while (Atomics.load(sent, 0) < 10 && Date.now() < deadline) Atomics.wait(sent, 0, Atomics.load(sent, 0), 1_000);
  await server.close();
  const [answers] = await answered;
  await worker.terminate();
  expect(answers).toEqual(Array(10).fill(expect.stringContaining('served')));
});

/** One request after the other, each when told: over connections that were used before, and the last over a new one. */
const ASK_IN_TURN = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { connect } = require('node:net');
  const { port, kept, flag } = workerData;
  const sent = new Int32Array(flag);
  const answers = [];
  const ends = [];
  const open = (index) => {
    const socket = connect(port, '127.0.0.1');
    answers[index] = '';
    ends.push(new Promise((resolve) => socket.on('close', resolve)));
    socket.on('data', (data) => (answers[index] += data));
    socket.on('error', (error) => (answers[index] += error.code));
    return socket;
  };
  const ask = (socket, path, then) =>
    socket.write('POST ' + path + ' HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 0\\r\\n\\r\\n', then);
  const sockets = Array.from({ length: kept }, (_, index) => open(index));
  Promise.all(sockets.map((socket) => new Promise((resolve) => {
    socket.once('data', resolve);
    ask(socket, '/');
  }))).then(() => {
    answers.fill('');
    parentPort.postMessage('ready');
  });
  let next = 0;
  parentPort.on('message', (message) => {
    if (message === 'answers') return Promise.all(ends).then(() => parentPort.postMessage(answers));
    const socket = sockets[next] ?? open(next);
    next += 1;
    ask(socket, next <= kept ? '/busy' : '/', () => {
      Atomics.store(sent, 0, next);
      Atomics.notify(sent, 0);
    });
  });
`;

test.each([1, 2, 3])(
  'what came in the last of %i busy turns before the end of listening is still answered',
  async (kept) => {
    const flag = new SharedArrayBuffer(8);
    const sent = new Int32Array(flag);
    let asked = 0;
    // The process does nothing else until the next one has asked, and for a while after.
    const beBusy = () => {
      worker.postMessage('ask');
      Atomics.wait(sent, 0, asked, 30_000);
      asked += 1;
      Atomics.wait(sent, 1, 0, 20);
    };
    const server = createHttpServer((req, res) => {
      if (req.url === '/busy') beBusy();
      res.end('served');
    });
    const port = await server.listen({ host: '127.0.0.1', port: 0 });
    const worker = new Worker(ASK_IN_TURN, { eval: true, workerData: { port, kept, flag } });
    await once(worker, 'message');
    beBusy();
    await server.close();
    worker.postMessage('answers');
    const [answers] = await once(worker, 'message');
    await worker.terminate();
    expect(answers).toEqual(Array(kept + 1).fill(expect.stringContaining('served')));
  },
);

describe('what is no request that can be answered gets a short answer in words', () => {
  const answerTo = async (text: string, act: (socket: Socket) => void = () => {}): Promise<string> => {
    const server = createHttpServer((_req, res) => res.end('served'));
    const port = await server.listen({ host: '127.0.0.1', port: 0 });
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    socket.setEncoding('utf8').on('data', (chunk) => {
      answer += chunk;
    });
    socket.on('error', () => {});
    socket.write(text);
    act(socket);
    await new Promise((resolve) => socket.once('close', resolve));
    // Whatever it was, the next one is served.
    expect(await get(port, '/', new Agent())).toBe('served');
    await server.close();
    return answer;
  };

  test.each<[string, string, string, RegExp]>([
    [
      'too long an address',
      `GET /?${'x'.repeat(20_000)} HTTP/1.1\r\nHost: a\r\n\r\n`,
      '431 Request Header Fields Too Large',
      /address or headers are too long/,
    ],
    [
      'too long headers',
      `GET / HTTP/1.1\r\nHost: a\r\nCookie: ${'x'.repeat(20_000)}\r\n\r\n`,
      '431 Request Header Fields Too Large',
      /address or headers are too long/,
    ],
    [
      'headers that go on and on',
      `GET / HTTP/1.1\r\nHost: a\r\nCookie: ${'x'.repeat(2_000_000)}\r\n\r\n`,
      '431 Request Header Fields Too Large',
      /address or headers are too long/,
    ],
    ['no HTTP', 'hello\r\n\r\n', '400 Bad Request', /not valid HTTP/],
    ['a header without a name', 'GET / HTTP/1.1\r\n: x\r\n\r\n', '400 Bad Request', /not valid HTTP/],
  ])('%s', async (_what, text, status, words) => {
    const [head, body] = (await answerTo(text)).split('\r\n\r\n') as [string, string];
    expect(head).toContain(`HTTP/1.1 ${status}\r\n`);
    expect(head).toContain('\r\nContent-Type: text/plain; charset=utf-8\r\n');
    expect(head).toContain(`\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`);
    expect(head).toMatch(/\r\nConnection: close(?:\r\n|$)/);
    expect(body).toMatch(words);
    expect(body).not.toContain('xxx');
  });

  test('an answer that has begun is cut off and not mixed with another', async () => {
    const server = createHttpServer((_req, res) => {
      res.writeHead(200, { 'Content-Length': 100 });
      res.write('begun');
    });
    const port = await server.listen({ host: '127.0.0.1', port: 0 });
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    socket.setEncoding('utf8').on('data', (chunk) => {
      answer += chunk;
      if (answer.endsWith('begun')) socket.write('hello\r\n\r\n');
    });
    socket.on('error', () => {});
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await new Promise((resolve) => socket.once('close', resolve));
    expect(answer).toMatch(/begun$/);
    await server.close();
  });

  test('who is gone before it is answered harms nobody', async () => {
    expect(await answerTo('hello\r\n\r\n', (socket) => socket.resetAndDestroy())).toBe('');
  });

  test.each([
    ['ERR_HTTP_REQUEST_TIMEOUT', 408],
    ['HPE_HEADER_OVERFLOW', 431],
    ['HPE_INVALID_METHOD', 400],
    [undefined, 400],
  ])('%s is %s', (code, status) => {
    expect(refusalOf(Object.assign(new Error('x'), { code }))).toContain(`HTTP/1.1 ${status} `);
  });
});
