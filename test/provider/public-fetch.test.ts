import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createPublicFetch, isPublicAddress } from '../../src/provider/public-fetch.ts';
import { TLS } from '../support/flow-tls.ts';

test.each([
  '1.1.1.1',
  '8.8.8.8',
  '172.15.0.1',
  '172.32.0.1',
  '192.169.0.1',
  '223.255.255.255',
  '2606:4700::1111',
  '2a00:1450::1',
])('S-176 %s is public', (address) => {
  expect(isPublicAddress(address)).toBe(true);
});

test.each([
  '0.0.0.0',
  '10.1.2.3',
  '100.64.0.1',
  '127.0.0.1',
  '127.255.255.255',
  '169.254.169.254',
  '172.16.0.1',
  '172.31.255.255',
  '192.0.2.1',
  '192.168.1.1',
  '198.18.0.1',
  '203.0.113.9',
  '224.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '::ffff:127.0.0.1',
  '::ffff:8.8.8.8',
  '64:ff9b::7f00:1',
  'fc00::1',
  'fd12:3456::1',
  'fe80::1',
  'ff02::1',
  '2001:db8::1',
  '2001::1',
  '2002:7f00:1::',
  '3fff::1',
  'localhost',
  '',
])('S-176 %s is not', (address) => {
  expect(isPublicAddress(address)).toBe(false);
});

test.each([
  'http://example.com/',
  'https://127.0.0.1/',
  'https://127.1/',
  'https://2130706433/',
  'https://0x7f.1/',
  'https://[::1]/',
  'https://[::ffff:7f00:1]/',
  'https://localhost/',
  'file:///etc/passwd',
  'data:application/json,{}',
])('S-176 nothing is fetched from %s', async (url) => {
  await expect(createPublicFetch()(url)).rejects.toThrow(/only https|not a public address|no public address/);
});

describe('from a server that is allowed', () => {
  const seen: Record<string, unknown>[] = [];
  const server = createServer(TLS, (request, response) => {
    seen.push({ method: request.method, url: request.url, headers: request.headers });
    if (request.url === '/keys') response.setHeader('Cache-Control', 'max-age=60').end('{"keys":[]}');
    else if (request.url === '/moved') response.writeHead(302, { location: 'https://localhost/keys' }).end();
    else if (request.url === '/endless') response.end('x'.repeat(65 * 1024));
    else if (request.url === '/never') response.flushHeaders();
    else response.writeHead(404).end('nothing');
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

  const allows = (address: string) => address === '127.0.0.1';
  const fetchHere = createPublicFetch({ allows, ca: TLS.cert });

  test('an answer is an answer', async () => {
    for (const url of [`${origin}/keys`, new URL('/keys', origin), new Request(`${origin}/keys`)]) {
      const response = await fetchHere(url, { headers: { accept: 'application/json' } });
      expect([response.status, response.headers.get('cache-control')]).toEqual([200, 'max-age=60']);
      expect(await response.json()).toEqual({ keys: [] });
    }
    expect(seen[0]).toMatchObject({ method: 'GET', url: '/keys', headers: { accept: 'application/json' } });
    expect((await fetchHere(`${origin}/missing`)).status).toBe(404);
  });

  test('S-176 a redirect is not followed, nor too much read, nor waited for ever', async () => {
    await expect(fetchHere(`${origin}/moved`)).rejects.toThrow('redirect');
    await expect(fetchHere(`${origin}/endless`)).rejects.toThrow('too large');
    await expect(fetchHere(`${origin}/never`, { signal: AbortSignal.timeout(100) })).rejects.toThrow();
    expect(seen.filter(({ url }) => url === '/keys')).toHaveLength(3);
  });

  test('S-176 a certificate that nobody vouches for is refused', async () => {
    await expect(createPublicFetch({ allows })(`${origin}/keys`)).rejects.toThrow();
  });
});
