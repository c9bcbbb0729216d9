import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { freePort } from '../support/free-port.ts';
import { askHost, killAll, type Run, root, start, stop } from './service-process.ts';

jest.setTimeout(180_000);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'daemun start '));
});
afterAll(() => {
  killAll();
  rmSync(folder, { recursive: true, force: true });
});

function embedded(name: string, port: string): Record<string, string> {
  return { PORT: port, DATA_DIR: join(folder, name, 'data'), KEYS_DIR: join(folder, name, 'keys') };
}

describe('on an embedded database', () => {
  let port: string;
  let issuer: string;
  let service: Run;
  beforeAll(async () => {
    port = String(await freePort());
    issuer = `http://localhost:${port}`;
    service = start(embedded('one', port));
    await service.ready;
  });

  test('the first start prints the issuer, the setup link and the mailbox', async () => {
    expect((await service.ready).split('\n')).toEqual([
      `Daemun is ready at ${issuer}`,
      expect.stringMatching(new RegExp(`^Set up the first administrator .*: ${issuer}/setup/[\\w-]{22,}$`)),
      `Mail is kept at ${issuer}/mailbox`,
      '',
    ]);
  });

  test('discovery, keys and health answer', async () => {
    const discovery = await fetch(`${issuer}/.well-known/openid-configuration`);
    expect(await discovery.json()).toMatchObject({ issuer, jwks_uri: `${issuer}/.well-known/jwks.json` });
    const { keys } = (await (await fetch(`${issuer}/.well-known/jwks.json`)).json()) as { keys: unknown[] };
    expect(keys.length).toBeGreaterThan(0);
    for (const path of ['/healthz', '/readyz']) expect((await fetch(issuer + path)).status).toBe(200);
  });

  test('S-169 a request for another host is told so', async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/`);
    expect([answer.status, await answer.text()]).toEqual([421, expect.stringContaining(issuer)]);
  });

  test('the key-encryption key is for its owner alone', () => {
    const path = join(folder, 'one', 'keys', 'key-encryption.key');
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test('a second process on the same folder ends with 1 and says which process has it', async () => {
    const second = start(embedded('one', String(await freePort())));
    expect(await second.ended).toEqual({
      code: 1,
      out: '',
      error: expect.stringMatching(new RegExp(`is in use by process ${service.child.pid}\\. Stop that process first`)),
    });
    expect((await fetch(`${issuer}/readyz`)).status).toBe(200);
  });

  test('another service on the same port ends with 1, says so, and leaves nothing running', async () => {
    const second = start({ ...embedded('two', port) });
    expect(await second.ended).toEqual({
      code: 1,
      out: '',
      error: `Port ${port} on 127.0.0.1 is in use by another process. Stop it, or set PORT.\n`,
    });
    expect(readdirSync(join(folder, 'two', 'data')).filter((name) => name.endsWith('.sock'))).toEqual([]);
  });

  test('a port for figures that is taken ends it with 1 and names the variable that chooses it', async () => {
    const variables = { ...embedded('three', String(await freePort())), DAEMUN_METRICS_PORT: port };
    expect(await start(variables).ended).toEqual({
      code: 1,
      out: '',
      error: `Port ${port} on 127.0.0.1 is in use by another process. Stop it, or set DAEMUN_METRICS_PORT.\n`,
    });
  });

  test('after kill -9 it starts again with the same keys, without a word, and SIGTERM ends it with 0', async () => {
    const before = await (await fetch(`${issuer}/.well-known/jwks.json`)).text();
    service.child.kill('SIGKILL');
    await service.ended;
    const again = start(embedded('one', port));
    await again.ready;
    expect(await (await fetch(`${issuer}/.well-known/jwks.json`)).text()).toBe(before);
    expect(await stop(again)).toMatchObject({ code: 0, error: '' });
  });

  test('a key-encryption key that others can read is used with a warning that says how to mend it', async () => {
    const path = join(folder, 'one', 'keys', 'key-encryption.key');
    chmodSync(path, 0o644);
    const open = start(embedded('one', port));
    await open.ready;
    expect((await stop(open)).error).toBe(
      `warn: ${path} can be read by other users of this machine. Run: chmod 600 ${path}\n`,
    );
    chmodSync(path, 0o600);
    const closed = start(embedded('one', port));
    await closed.ready;
    expect((await stop(closed)).error).toBe('');
  });

  test('with another key-encryption key it does not start, says why, and changes nothing', async () => {
    const { KEYS_DIR: _, ...variables } = embedded('one', port);
    const wrong = await start({ ...variables, KEY_ENCRYPTION_KEY: Buffer.alloc(32, 9).toString('base64') }).ended;
    expect(wrong).toMatchObject({ code: 1, out: '', error: expect.stringMatching(/wrong key-encryption key/) });
    expect(wrong.error).not.toMatch(/\n\s+at /);
    const right = start(embedded('one', port));
    await right.ready;
    await stop(right);
  });
});

test('a configuration that is wrong names everything at once and touches nothing', async () => {
  const { code, out, error } = await start({
    NODE_ENV: 'production',
    PORT: 'x',
    DAEMUN_BRAND_NAM: 'x',
    DATA_DIR: join(folder, 'untouched'),
  }).ended;
  expect([code, out]).toEqual([1, '']);
  const { level, msg, ...rest } = JSON.parse(error);
  expect([level, Object.keys(rest)]).toEqual(['fatal', ['time']]);
  for (const name of ['PORT', 'DAEMUN_BRAND_NAM', 'ISSUER', 'KEY_ENCRYPTION_KEY']) expect(msg).toContain(`  ${name} `);
  expect(existsSync(join(folder, 'untouched'))).toBe(false);
});

test('a file .env in the working directory is read and does not override a real variable', async () => {
  const directory = mkdtempSync(join(folder, 'dotenv-'));
  writeFileSync(join(directory, '.env'), 'ISSUER="http://not.loopback"\nPORT=x # a comment\n');
  const child = spawn(process.execPath, [join(root, 'scripts/start.mjs')], {
    cwd: directory,
    env: { PATH: process.env.PATH, ISSUER: 'ftp://real' },
  });
  let error = '';
  child.stderr.on('data', (chunk) => {
    error += chunk;
  });
  await new Promise((resolve) => child.once('close', resolve));
  expect(error).toMatch(/ {2}PORT must be/);
  expect(error).toMatch(/ {2}ISSUER must be a URL/);
});

test('in production on an embedded database it warns, and has neither playground nor mailbox (S-178)', async () => {
  const port = String(await freePort());
  const service = start({
    NODE_ENV: 'production',
    ISSUER: 'https://id.example.com',
    HOST: '127.0.0.1',
    PORT: port,
    KEY_ENCRYPTION_KEY: Buffer.alloc(32, 5).toString('base64'),
    DATA_DIR: join(folder, 'production'),
    LOG_LEVEL: 'error',
  });
  const out = await service.ready;
  expect(out).not.toContain('mailbox');
  for (const path of ['/mailbox', '/playground', '/playground/callback', '/assets/playground.js', '/debug']) {
    expect([path, await askHost(port, 'id.example.com', path)]).toEqual([path, 404]);
  }
  const { code, error } = await stop(service);
  expect(code).toBe(0);
  // Whoever collects logs reads every line of both streams alike.
  expect(
    out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
  ).toEqual([
    {
      level: 'info',
      time: expect.any(String),
      url: 'https://id.example.com',
      msg: 'Daemun is ready at https://id.example.com',
    },
    {
      level: 'info',
      time: expect.any(String),
      msg: 'There is no administrator yet. For a link that makes one: daemun users setup-link',
    },
  ]);
  expect(
    error
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
  ).toEqual(
    [
      'Mail is not sent: it waits in the outbox until a node has SMTP_URL, a week at most.',
      'The embedded database serves one process and is not safe against power loss. Set DATABASE_URL.',
    ].map((msg) => ({ level: 'warn', time: expect.any(String), msg })),
  );
});
