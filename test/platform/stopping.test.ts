import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { freePort } from '../support/free-port.ts';
import { killAll, start } from './service-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'daemun-stopping-'));
afterAll(() => {
  killAll();
  rmSync(folder, { recursive: true, force: true });
});

test('SIGTERM in the middle of work: not ready at first, whoever was let in is answered, idle connections end, and the code is 0; a second signal ends at once', async () => {
  const port = String(await freePort());
  const variables = {
    PORT: port,
    HOST: '127.0.0.1',
    ISSUER: `http://127.0.0.1:${port}`,
    DATA_DIR: join(folder, 'data'),
    KEYS_DIR: join(folder, 'keys'),
  };
  const run = start({ ...variables, DAEMUN_SHUTDOWN_DELAY: '2' });
  await run.ready;
  const agent = new Agent({ keepAlive: true, maxSockets: 12 });
  const send = (path: string, body?: string) => {
    const sent = request({
      ...{ host: '127.0.0.1', port, path, agent, method: body === undefined ? 'GET' : 'POST' },
      ...(body !== undefined && {
        headers: { 'content-type': 'application/x-www-form-urlencoded', 'content-length': body.length },
      }),
    });
    const answered = new Promise<number>((resolve, reject) => {
      sent.on('response', (response) => response.resume().on('end', () => resolve(response.statusCode!)));
      sent.on('error', reject);
    });
    return { sent, answered };
  };
  const get = (path: string) => {
    const { sent, answered } = send(path);
    sent.end();
    return answered;
  };
  expect(await get('/readyz')).toBe(200);

  // Connections that nobody uses any more.
  const idle = Array.from({ length: 10 }, () => connect(Number(port), '127.0.0.1'));
  for (const socket of idle) {
    socket.on('error', () => {});
    socket.write(`GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
  }
  const idleEnded = Promise.all(
    idle.map((socket) => new Promise<void>((resolve) => socket.resume().once('close', () => resolve()))),
  );

  let balancerSendsMore = true;
  const statuses: (number | string)[] = [];
  const paths = ['/', '/.well-known/openid-configuration', '/.well-known/jwks.json', '/userinfo', '/nowhere'];
  const load = Array.from({ length: 8 }, async (_, worker) => {
    for (let n = worker; balancerSendsMore; n++) {
      statuses.push(await get(paths[n % paths.length]!).catch((error: NodeJS.ErrnoException) => String(error.code)));
    }
  });
  const body = 'grant_type=client_credentials';
  const begun = send('/token', body);
  begun.sent.write(body.slice(0, 5));
  while (statuses.length < 50) await new Promise((resolve) => setTimeout(resolve, 10));

  run.child.kill('SIGTERM');
  while ((await get('/readyz')) === 200) await new Promise((resolve) => setTimeout(resolve, 20));
  const untilNoticed = statuses.length;
  while (statuses.length < untilNoticed + 20) await new Promise((resolve) => setTimeout(resolve, 10));
  balancerSendsMore = false;
  await Promise.all(load);
  expect([...new Set(statuses)].filter((status) => ![200, 401, 404].includes(status as number))).toEqual([]);
  await new Promise((resolve) => setTimeout(resolve, 2_100));
  begun.sent.end(body.slice(5));
  expect(await begun.answered).toBe(400);
  expect(await run.ended).toMatchObject({ code: 0, error: '' });
  await idleEnded;
  agent.destroy();

  const again = start({ ...variables, DAEMUN_SHUTDOWN_DELAY: '200' });
  await again.ready;
  again.child.kill('SIGTERM');
  while ((await fetch(`http://127.0.0.1:${port}/readyz`)).status === 200)
    await new Promise((resolve) => setTimeout(resolve, 20));
  again.child.kill('SIGTERM');
  expect((await again.ended).code).toBe(1);
}, 240_000);
