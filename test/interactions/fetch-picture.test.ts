import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { createPictureFetcher } from '../../src/interactions/fetch-picture.ts';

const answer = jest.fn<(request: IncomingMessage, response: ServerResponse) => void>();
let server: Server;
let origin: string;
let connections = 0;

beforeAll(async () => {
  server = createServer(answer);
  server.on('connection', () => {
    connections += 1;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const onOwnMachine = createPictureFetcher({ allowLoopback: true });
const inProduction = createPictureFetcher({ allowLoopback: false });

test('a picture on one’s own machine comes as it is, and nothing of ours goes along', async () => {
  answer.mockImplementation((_, response) => void response.setHeader('Content-Type', 'image/png; x=y').end('PNG'));
  expect(await onOwnMachine(`${origin}/logo.png`)).toEqual({ type: 'image/png', body: Buffer.from('PNG') });
  const { headers } = answer.mock.lastCall![0];
  expect(headers.cookie ?? headers.authorization ?? headers.referer).toBeUndefined();
});

test.each([
  ['a page', (response: ServerResponse) => response.setHeader('Content-Type', 'text/html').end('<script>')],
  ['no type', (response: ServerResponse) => response.end('PNG')],
  ['an error', (response: ServerResponse) => response.writeHead(404, { 'Content-Type': 'image/png' }).end('PNG')],
  ['a redirect', (response: ServerResponse) => response.writeHead(302, { Location: `${origin}/other` }).end()],
])('S-176 %s is no picture', async (_, respond) => {
  answer.mockReset().mockImplementation((_request, response) => void respond(response));
  expect(await onOwnMachine(origin)).toBeUndefined();
  expect(answer).toHaveBeenCalledTimes(1);
});

test('S-176 what is too large is not read to the end', async () => {
  answer.mockImplementation((_, response) => {
    response.setHeader('Content-Type', 'image/png');
    response.write(Buffer.alloc(200_000));
    response.end(Buffer.alloc(200_000));
  });
  await expect(onOwnMachine(origin)).rejects.toThrow('too large');
});

describe('S-176 in production nothing inside is asked', () => {
  const hosts = [
    '127.0.0.1',
    'localhost',
    '[::1]',
    '10.0.0.1',
    '192.168.1.1',
    '172.16.0.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '[::ffff:127.0.0.1]',
    '[fd00::1]',
    '[fe80::1]',
    '224.0.0.1',
    '2130706433',
    '0x7f.1',
  ];

  test.each(hosts)('%s', async (host) => {
    const before = connections;
    for (const scheme of ['http', 'https']) {
      const port = new URL(origin).port;
      expect(await inProduction(`${scheme}://${host}:${port}/logo.png`).catch(() => undefined)).toBeUndefined();
    }
    expect(connections).toBe(before);
  });

  test.each(['10.0.0.1', '169.254.169.254', '[fd00::1]'])(
    '%s is not reached from one’s own machine either',
    async (host) => {
      expect(await onOwnMachine(`https://${host}/logo.png`)).toBeUndefined();
    },
  );
});
