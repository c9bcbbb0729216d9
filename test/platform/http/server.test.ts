import { Agent, request } from 'node:http';
import { expect, test } from '@jest/globals';
import { createHttpServer } from '../../../src/platform/http/server.ts';

function get(port: number, path: string, agent: Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    request({ port, path, agent }, (response) => {
      let body = '';
      response.on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () => resolve(body));
    })
      .on('error', reject)
      .end();
  });
}

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
  await expect(get(port, '/', new Agent())).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  finish();
  expect(await slow).toBe('finished');
  await closed;
  keepAlive.destroy();
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
