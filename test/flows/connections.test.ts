import { connect, type Socket } from 'node:net';
import { Writable } from 'node:stream';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createLogger } from '../../src/platform/logger.ts';
import { until } from '../support/redis.ts';
import { startWholeService, type WholeService } from '../support/whole-service.ts';

const MOST = 20;

const lines: Record<string, unknown>[] = [];
const opened: Socket[] = [];
let service: WholeService;
beforeAll(async () => {
  const destination = new Writable({
    write(chunk, _encoding, done) {
      lines.push(JSON.parse(String(chunk)));
      done();
    },
  });
  const logger = createLogger({ level: 'warn', production: true, destination });
  service = await startWholeService({ DAEMUN_MOST_CONNECTIONS: String(MOST) }, logger);
});
afterAll(async () => {
  for (const socket of opened) socket.destroy();
  await service.close();
});

const discovery = (headers: Record<string, string> = {}) =>
  fetch(`${service.issuer}/.well-known/openid-configuration`, { headers: { connection: 'close', ...headers } });
const figures = async () => (await fetch(service.metricsUrl)).text();

test('hundreds of connections that say nothing, or say it slowly, do not take the node', async () => {
  const { port } = new URL(service.issuer);
  for (let count = 0; count < 200; count++) {
    const socket = connect(Number(port), 'localhost');
    socket.on('error', () => {}).resume();
    opened.push(socket);
    await new Promise((resolve) => socket.once('connect', resolve));
    if (count % 2) socket.write(`GET / HTTP/1.1\r\nHost: localhost:${port}\r\nX-Slow: `);
    if (count % 40 === 0) expect((await discovery()).status).toBe(200);
  }
  await until(() => opened.filter((socket) => socket.closed).length >= 200 - MOST);
  expect((await discovery()).status).toBe(200);
  const text = await figures();
  expect(Number(/^daemun_connections (\d+)$/m.exec(text)![1])).toBeLessThanOrEqual(MOST);
  expect(text).toContain('daemun_connections_closed_total{which="new"} 0');
  expect(lines.filter(({ msg }) => /too many connections/.test(String(msg)))).toEqual([
    expect.objectContaining({ level: 'warn', which: 'idle', most: MOST, leftOut: 0 }),
  ]);
});

test('S-132 a proxy that TRUSTED_PROXIES leaves out is named once, however often it asks', async () => {
  for (let count = 0; count < 5; count++) {
    expect((await discovery({ 'x-forwarded-for': `203.0.113.${count}` })).status).toBe(200);
  }
  expect(lines.filter(({ msg }) => /TRUSTED_PROXIES/.test(String(msg)))).toEqual([
    expect.objectContaining({ level: 'warn', header: 'X-Forwarded-For', network: 'loopback', leftOut: 0 }),
  ]);
});
