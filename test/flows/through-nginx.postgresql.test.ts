import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { openSilentNetwork } from '../platform/database/silent-network.ts';
import { killAll, type Run, root, start } from '../platform/service-process.ts';
import { createEmptyDatabase } from '../support/database.ts';
import { findProgram, openBeside, populate, signInAndRefresh, until } from '../support/deployed-service.ts';
import { freePort } from '../support/free-port.ts';

jest.setTimeout(120_000);

const program = findProgram('nginx');
/** On a machine that was prepared for it nothing may be left out. */
const throughNginx = program || process.env.CI === 'true' ? describe : describe.skip;

throughNginx('two nodes behind nginx as deploy/nginx sets it up', () => {
  const folder = mkdtempSync(join(tmpdir(), 'daemun-nginx-'));
  let database: { url: string; close(): Promise<void> };
  let network: Awaited<ReturnType<typeof openSilentNetwork>>;
  let nginx: ChildProcess;
  let nodes: Run[];
  let issuer: string;
  let clientId: string;

  beforeAll(async () => {
    database = (await createEmptyDatabase())!;
    network = await openSilentNetwork(database.url);
    const [port, ...ports] = (await Promise.all([freePort(), freePort(), freePort()])).map(String);
    issuer = `http://127.0.0.1:${port}`;
    const variables = {
      ISSUER: issuer,
      DATABASE_URL: network.url,
      KEYS_DIR: join(folder, 'keys'),
      TRUSTED_PROXIES: '127.0.0.1/32',
      DAEMUN_BCRYPT_COST: '4',
      LOG_LEVEL: 'error',
    };
    // One after the other, as a rolling start does it: the key-encryption key is made once.
    nodes = [];
    for (const PORT of ports) {
      nodes.push(start({ ...variables, PORT: PORT! }));
      await nodes.at(-1)!.ready;
    }
    const beside = await openBeside({ ...variables, DATABASE_URL: database.url });
    ({ clientId } = await populate(beside));
    await beside.close();
    nginx = startNginx(port!, ports);
    await until('nginx answers', async () => (await fetch(`${issuer}/readyz`)).ok);
  });
  afterAll(async () => {
    if (nginx) {
      const ended = new Promise((resolve) => nginx.once('close', resolve));
      nginx.kill('SIGTERM');
      await ended;
    }
    killAll();
    await network.close();
    await database.close();
    rmSync(folder, { recursive: true, force: true });
  });

  function startNginx(port: string, [one, two]: string[]): ChildProcess {
    mkdirSync(join(folder, 'temporary'));
    const site = readFileSync(join(root, 'deploy/nginx/daemun.conf'), 'utf8')
      .replace('listen 8080', `listen 127.0.0.1:${port}`)
      .replace('node-1:3000', `127.0.0.1:${one}`)
      .replace('node-2:3000', `127.0.0.1:${two}`);
    writeFileSync(join(folder, 'site.conf'), site);
    const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (name) => `${name}_temp_path ${join(folder, 'temporary', name)};`,
    );
    const settings = join(folder, 'nginx.conf');
    writeFileSync(
      settings,
      `daemon off; master_process off; pid ${join(folder, 'pid')}; error_log stderr crit;
events { worker_connections 256; }
http { ${places.join(' ')} include ${join(folder, 'site.conf')}; }
`,
    );
    const tried = spawnSync(program!, ['-t', '-q', '-e', 'stderr', '-c', settings], { encoding: 'utf8' });
    expect(tried.stderr).toBe('');
    expect(tried.status).toBe(0);
    return spawn(program!, ['-e', 'stderr', '-c', settings], { stdio: 'ignore' });
  }

  test('a person signs in, an application gets its tokens and refreshes them, whichever node each request meets', async () => {
    for (let round = 0; round < 3; round++) {
      const { tokens, refreshed } = await signInAndRefresh(issuer, clientId);
      expect(tokens.id_token).toBeDefined();
      expect(refreshed.refresh_token).not.toBe(tokens.refresh_token);
    }
  });

  test('when a node is killed, requests that may be repeated do not notice, and a sign-in works', async () => {
    nodes[0]!.child.kill('SIGKILL');
    await nodes[0]!.ended;
    const statuses = [];
    for (let count = 0; count < 20; count++) {
      const response = await fetch(`${issuer}/.well-known/openid-configuration`);
      await response.text();
      statuses.push(response.status);
    }
    expect(statuses).toEqual(statuses.map(() => 200));
    await signInAndRefresh(issuer, clientId);
  });

  test('while the database is away, refusals with 503 take no node out: keys and discovery are answered', async () => {
    await network.close();
    const ask = async (path: string, init: RequestInit = {}) => {
      const response = await fetch(`${issuer}${path}`, { ...init, headers: { connection: 'close' } });
      await response.text();
      return response.status;
    };
    const body = new URLSearchParams({
      grant_type: 'refresh_token',
      refresh_token: 'x'.repeat(43),
      client_id: clientId,
    });
    const refused = [];
    for (let count = 0; count < 4; count++) refused.push(await ask('/token', { method: 'POST', body }));
    expect(refused).toEqual([503, 503, 503, 503]);
    const answered = [];
    for (let count = 0; count < 6; count++) {
      answered.push(
        await ask('/readyz'),
        await ask('/.well-known/jwks.json'),
        await ask('/.well-known/openid-configuration'),
      );
    }
    expect(new Set(answered.filter((_, index) => index % 3))).toEqual(new Set([200]));
    expect(answered[0]).toBe(503);
  });
});
