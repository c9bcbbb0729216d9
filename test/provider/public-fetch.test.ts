import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createOutbound } from '../../src/platform/http/outbound.ts';
import { createPublicFetch } from '../../src/provider/public-fetch.ts';
import { TLS } from '../support/flow-tls.ts';

const seen: object[] = [];
const server = createServer(TLS, ({ method, url, headers }, response) => {
  seen.push({ method, url, headers });
  if (url === '/keys') response.setHeader('Cache-Control', 'max-age=60').end('{"keys":[]}');
  else response.writeHead(Number(url!.slice(1)), { location: '/keys' }).end();
});
let origin: string;

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `https://localhost:${(server.address() as AddressInfo).port}`;
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const fetchHere = createPublicFetch(createOutbound({ allowLoopback: true, ca: TLS.cert }));

test('an answer is a Response, whichever way the request is put', async () => {
  for (const url of [`${origin}/keys`, new URL('/keys', origin), new Request(`${origin}/keys`)]) {
    const response = await fetchHere(url, { headers: new Headers({ accept: 'application/json' }) });
    expect([response.status, response.headers.get('cache-control')]).toEqual([200, 'max-age=60']);
    expect(await response.json()).toEqual({ keys: [] });
  }
  expect(seen[0]).toMatchObject({ method: 'GET', url: '/keys', headers: { accept: 'application/json' } });
});

test.each([204, 205, 404, 500])('S-177 status %i is an answer too, with or without content', async (status) => {
  const response = await fetchHere(`${origin}/${status}`);
  expect([response.status, await response.text()]).toEqual([status, '']);
});

test('S-176 a redirect is a failure', async () => {
  await expect(fetchHere(`${origin}/302`)).rejects.toMatchObject({ code: 'redirected' });
});

test('S-176 by itself it asks the public Internet only', async () => {
  await expect(createPublicFetch(createOutbound())(`${origin}/keys`)).rejects.toMatchObject({ code: 'not_allowed' });
});

test('what the engine gives up is given up', async () => {
  await expect(fetchHere(`${origin}/keys`, { signal: AbortSignal.abort() })).rejects.toThrow();
});
