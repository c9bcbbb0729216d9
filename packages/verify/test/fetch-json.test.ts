import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { fetchJson } from '../src/fetch-json.ts';

let close = (): void => {};
afterEach(() => close());

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  close = () => {
    server.closeAllConnections();
    server.close();
  };
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`;
}

test('fetches a document and how long it is fresh', async () => {
  const url = await serve((_, res) => {
    res.writeHead(200, { 'cache-control': 'public, max-age=300, stale-if-error=86400', age: '100' });
    res.end('{"keys":[]}');
  });
  expect(await fetchJson(url, fetch)).toEqual({ document: { keys: [] }, maxAge: 200 });
});

test('follows no redirect and does not wait for ever', async () => {
  const seen: RequestInit[] = [];
  await fetchJson('https://id.example/jwks', async (_, init) => {
    seen.push(init as RequestInit);
    return Response.json({});
  });
  expect(seen).toEqual([expect.objectContaining({ redirect: 'error', signal: expect.any(AbortSignal) })]);
});

test.each<[string, RequestListener, RegExp]>([
  ['a redirect', (_, res) => res.writeHead(302, { location: 'http://169.254.169.254/' }).end(), /fetch failed/],
  ['an error page', (_, res) => res.writeHead(500).end('{"keys":[]}'), /answered 500/],
  ['an empty answer', (_, res) => res.writeHead(204).end(), /answered 204/],
  ['a page that is not JSON', (_, res) => res.end('<html>'), /JSON/],
  ['bytes that are not UTF-8', (_, res) => res.end(Buffer.from('"\xff"', 'latin1')), /encoded data/],
  ['an answer that grows and grows', (_, res) => res.end(`"${'x'.repeat(300 * 1024)}"`), /more than/],
  ['a connection that breaks', (req) => req.socket.destroy(), /fetch failed/],
])('refuses %s', async (_, listener, message) => {
  await expect(fetchJson(await serve(listener), fetch)).rejects.toThrow(message);
});
