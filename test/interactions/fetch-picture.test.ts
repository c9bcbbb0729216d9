import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { createPictureFetcher } from '../../src/interactions/fetch-picture.ts';

const answer = jest.fn<(request: IncomingMessage, response: ServerResponse) => void>();
let server: Server;
let origin: string;

beforeAll(async () => {
  server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const onOwnMachine = createPictureFetcher({ allowLoopback: true });

test('a picture on one’s own machine comes as it is, and nothing of ours goes along', async () => {
  answer.mockImplementation((_, response) => void response.setHeader('Content-Type', 'image/png; x=y').end('PNG'));
  expect(await onOwnMachine(`${origin}/logo.png`)).toEqual({ type: 'image/png', body: Buffer.from('PNG') });
  const { headers } = answer.mock.lastCall![0];
  expect(headers.cookie ?? headers.authorization ?? headers.referer).toBeUndefined();
  expect(headers.accept).toContain('image/png');
});

test.each([
  ['a page', (response: ServerResponse) => response.setHeader('Content-Type', 'text/html').end('<script>')],
  ['no type', (response: ServerResponse) => response.end('PNG')],
  ['an error', (response: ServerResponse) => response.writeHead(404, { 'Content-Type': 'image/png' }).end('PNG')],
])('S-176 %s is no picture', async (_, respond) => {
  answer.mockReset().mockImplementation((_request, response) => void respond(response));
  expect(await onOwnMachine(origin)).toBeUndefined();
});

test('S-176 a redirect is not followed', async () => {
  answer.mockReset().mockImplementation((_, response) => void response.writeHead(302, { Location: '/other' }).end());
  await expect(onOwnMachine(origin)).rejects.toMatchObject({ code: 'redirected' });
  expect(answer).toHaveBeenCalledTimes(1);
});

test('a picture may be larger than what else is fetched, and what is too large is not read to the end', async () => {
  answer.mockImplementation((request, response) => {
    response.setHeader('Content-Type', 'image/png');
    response.end(Buffer.alloc(request.url === '/large' ? 200_000 : 400_000));
  });
  expect((await onOwnMachine(`${origin}/large`))?.body).toHaveLength(200_000);
  await expect(onOwnMachine(`${origin}/too-large`)).rejects.toMatchObject({ code: 'too_large' });
});

test('S-176 in production nothing inside is asked', async () => {
  answer.mockClear();
  await expect(createPictureFetcher({ allowLoopback: false })(origin)).rejects.toMatchObject({ code: 'not_allowed' });
  expect(answer).not.toHaveBeenCalled();
});
