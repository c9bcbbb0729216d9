import { Agent, request } from 'node:http';
import { expect, test } from '@jest/globals';
import { startWholeService } from '../support/whole-service.ts';

test('stopping: not ready first, requests are still taken for a while and the last ones answered, and connections end', async () => {
  const stopping = await startWholeService({ DAEMUN_SHUTDOWN_DELAY: '2' });
  const { port } = new URL(stopping.issuer);
  const agent = new Agent({ keepAlive: true });
  const ask = (path: string, body?: string) => {
    const sent = request({
      host: 'localhost',
      port,
      path,
      agent,
      method: body === undefined ? 'GET' : 'POST',
      headers:
        body === undefined
          ? {}
          : { 'content-type': 'application/x-www-form-urlencoded', 'content-length': body.length },
    });
    const answered = new Promise<[number, string | undefined]>((resolve, reject) => {
      sent.on('error', reject);
      sent.on('response', (response) => {
        response.resume().on('end', () => resolve([response.statusCode!, response.headers.connection]));
      });
    });
    return { sent, answered };
  };
  const get = (path: string) => {
    const { sent, answered } = ask(path);
    sent.end();
    return answered;
  };
  expect(await get('/readyz')).toEqual([200, 'keep-alive']);
  const body = 'grant_type=client_credentials';
  const begun = ask('/token', body);
  begun.sent.write(body.slice(0, 5));
  await new Promise((resolve) => setTimeout(resolve, 200));

  const closed = stopping.close();
  expect(await get('/readyz')).toEqual([503, 'close']);
  expect(await get('/.well-known/jwks.json')).toEqual([200, 'close']);
  await new Promise((resolve) => setTimeout(resolve, 2_200));
  // The one that was under way before all of it.
  begun.sent.end(body.slice(5));
  expect(await begun.answered).toEqual([400, 'close']);
  await closed;
  await expect(get('/readyz')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  agent.destroy();
}, 240_000);
