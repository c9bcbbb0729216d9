import { once } from 'node:events';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { measureRequests } from '../../../src/platform/http/request-metrics.ts';
import { createMetrics, type Metrics, noMetrics } from '../../../src/platform/metrics.ts';

let metrics: Metrics;
let server: Server;
let port: number;
beforeEach(async () => {
  metrics = await createMetrics();
  server = createServer(
    measureRequests(
      metrics,
      (path) => (path === '/known' || path === '/silent' ? path.slice(1) : undefined),
      (req, res) => {
        if (!req.url!.startsWith('/silent')) res.writeHead(req.url!.startsWith('/known') ? 200 : 404).end('x');
      },
    ),
  ).listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

async function send(method: string, path: string): Promise<void> {
  const sent = request({ host: '127.0.0.1', port, path, method }).end();
  const [answer] = await once(sent, 'response');
  await once(answer.resume(), 'end');
}

/** The answer may be here before its end is noticed there. */
async function requestsOnceThereAre(number: number): Promise<string[]> {
  for (;;) {
    const { text } = await metrics.exposition();
    const lines = text.split('\n').filter((line) => line.startsWith('daemun_http_requests_total{'));
    if (lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0) >= number) return lines.sort();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test('a request is counted by route, method and status, whatever its query; strangers choose none of them', async () => {
  await send('GET', '/known?code=secret');
  await send('GET', '/known');
  for (let n = 0; n < 20; n++) await send('GET', `/wp-admin-${n}`);
  await send('DELETE', '/known');
  await send('PATCH', '/known');
  await send('PROPFIND', '/known');
  await send('MKCOL', '/known');
  expect(await requestsOnceThereAre(26)).toEqual([
    'daemun_http_requests_total{route="known",method="DELETE",status="200"} 1',
    'daemun_http_requests_total{route="known",method="GET",status="200"} 2',
    'daemun_http_requests_total{route="known",method="PATCH",status="200"} 1',
    'daemun_http_requests_total{route="known",method="other",status="200"} 2',
    'daemun_http_requests_total{route="other",method="GET",status="404"} 20',
  ]);
  const { text } = await metrics.exposition();
  expect(text).toContain('daemun_http_request_seconds_count{route="known"} 6');
  expect(text).toContain('daemun_http_request_seconds_bucket{le="+Inf",route="other"} 20');
});

test('whoever leaves before the answer is counted as such', async () => {
  const left = request({ host: '127.0.0.1', port, path: '/silent' }).end();
  left.on('error', () => {});
  await once(server, 'request');
  left.destroy();
  expect(await requestsOnceThereAre(1)).toEqual([
    'daemun_http_requests_total{route="silent",method="GET",status="aborted"} 1',
  ]);
});

test('where nobody reads figures requests go straight to who answers them', () => {
  const listener = () => {};
  expect(measureRequests(noMetrics, () => undefined, listener)).toBe(listener);
});
