import { Agent, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createHttpServer, type HttpServer } from '../../../src/platform/http/server.ts';
import { createMetrics, type Metrics } from '../../../src/platform/metrics.ts';
import { get as getFrom } from './serve.ts';

const MOST = 20;

let server: HttpServer;
let port: number;
let metrics: Metrics;
let warnings: Record<string, unknown>[];
let held: ServerResponse[];
let opened: Socket[];
beforeEach(async () => {
  metrics = await createMetrics();
  warnings = [];
  held = [];
  opened = [];
  const logger = { warn: (facts: object) => void warnings.push({ ...facts }) } as never;
  server = createHttpServer((req, res) => void (req.url === '/held' ? held.push(res) : res.end('served')), {
    most: MOST,
    metrics,
    logger,
  });
  port = await server.listen({ host: '127.0.0.1', port: 0 });
});
afterEach(async () => {
  for (const response of held) response.end();
  for (const socket of opened) socket.destroy();
  await server.close();
});

/** A connection that says so much and then nothing more. */
async function open(says = ''): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {}).resume();
  opened.push(socket);
  await new Promise((resolve) => socket.once('connect', resolve));
  if (says) socket.write(says);
  return socket;
}

const get = (path: string, agent = new Agent()) => getFrom(port, path, agent);

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error('what was waited for did not happen');
    await pause(10);
  }
}

async function figure(name: string): Promise<number> {
  const { text } = await metrics.exposition();
  return Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${name} `))
      ?.split(' ')[1],
  );
}

const closed = () => opened.filter((socket) => socket.closed).length;

test('connections that say nothing, or say it slowly, close each other, and whoever asks is served', async () => {
  const slow = get('/held');
  await until(() => held.length === 1);
  for (let count = 0; count < 60; count++) await open(count % 2 ? 'GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ' : '');
  await until(() => closed() >= 60 + 1 - MOST);
  expect(await get('/')).toBe('served');
  expect(await figure('daemun_connections')).toBeLessThanOrEqual(MOST);
  // What was being answered before they came has kept its place.
  held.pop()!.end('answered');
  expect(await slow).toBe('answered');
  expect(await figure('daemun_connections_closed_total{which="idle"}')).toBeGreaterThanOrEqual(60 + 1 - MOST);
  expect(await figure('daemun_connections_closed_total{which="new"}')).toBe(0);
  expect(warnings).toEqual([{ which: 'idle', most: MOST, leftOut: 0 }]);
});

test('a connection that was used a moment ago stays, one that never was goes first', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const sockets = new Set<Socket>();
  agent.on('free', (socket) => sockets.add(socket));
  expect(await get('/', agent)).toBe('served');
  for (let count = 0; count < MOST - 1; count++) await open();
  // The oldest of all connections is the newest by use.
  expect(await get('/', agent)).toBe('served');
  for (let count = 0; count < MOST - 1; count++) await open();
  await until(() => closed() === MOST - 1);
  expect(opened.slice(0, MOST - 1).every((socket) => socket.closed)).toBe(true);
  expect(await get('/', agent)).toBe('served');
  expect(sockets.size).toBe(1);
  agent.destroy();
});

test('a connection that a proxy keeps outlives those that come after it and say nothing', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const sockets = new Set<Socket>();
  agent.on('free', (socket) => sockets.add(socket));
  expect(await get('/', agent)).toBe('served');
  for (let count = 0; count < 3 * MOST; count++) await open();
  await until(() => closed() >= 2 * MOST + 1);
  expect(await get('/', agent)).toBe('served');
  expect(sockets.size).toBe(1);
  agent.destroy();
});

test('where nobody is silent, the connection that was last used longest ago makes room', async () => {
  const agents = Array.from({ length: MOST + 1 }, () => new Agent({ keepAlive: true, maxSockets: 1 }));
  const kept = agents.map((agent) => {
    const sockets = new Set<Socket>();
    agent.on('free', (socket) => sockets.add(socket));
    return sockets;
  });
  for (const agent of agents) expect(await get('/', agent)).toBe('served');
  await until(() => [...kept[0]!][0]!.destroyed);
  expect(kept.slice(1).some(([socket]) => socket!.destroyed)).toBe(false);
  for (const agent of agents) agent.destroy();
});

test('where all are busy the new one is refused, counted and told of, and the next is taken when one has ended', async () => {
  const busy = Array.from({ length: MOST }, () => get('/held'));
  await until(() => held.length === MOST);
  await expect(get('/')).rejects.toMatchObject({ code: expect.stringMatching(/ECONNRESET|EPIPE/) });
  await expect(get('/')).rejects.toThrow();
  expect(await figure('daemun_connections_closed_total{which="new"}')).toBe(2);
  expect(warnings).toEqual([{ which: 'new', most: MOST, leftOut: 0 }]);
  for (const response of held.splice(0)) response.end('answered');
  expect(await Promise.all(busy)).toEqual(busy.map(() => 'answered'));
  expect(await get('/')).toBe('served');
});
