import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, jest, test } from '@jest/globals';
import pg from 'pg';
import { freePort } from '../../support/free-port.ts';
import { askHost, killAll, start, stop } from '../service-process.ts';

jest.setTimeout(120_000);

const server = new URL(process.env.TEST_POSTGRES_URL!);
const database = `start_${randomBytes(6).toString('hex')}`;
const role = `role_${randomBytes(6).toString('hex')}`;

let administrator: pg.Pool;
let production: Record<string, string>;
beforeAll(async () => {
  administrator = new pg.Pool({ connectionString: server.href });
  await administrator.query(`CREATE ROLE ${role} LOGIN PASSWORD 'hunter2'`);
  await administrator.query(`CREATE DATABASE ${database}`);
});
afterAll(async () => {
  killAll();
  await administrator.query(`DROP DATABASE ${database} WITH (FORCE)`);
  await administrator.query(`DROP ROLE ${role}`);
  await administrator.end();
});
beforeEach(async () => {
  production = {
    NODE_ENV: 'production',
    ISSUER: 'https://id.example.com',
    HOST: '127.0.0.1',
    PORT: String(await freePort()),
    KEY_ENCRYPTION_KEY: Buffer.alloc(32, 5).toString('base64'),
    SMTP_URL: 'smtps://mail.example.com',
    MAIL_FROM: 'no-reply@example.com',
    LOG_LEVEL: 'error',
  };
});

function urlOf(user: string, password = ''): string {
  return Object.assign(new URL(server), { pathname: `/${database}`, username: user, password }).href;
}

test('a role above the rules is refused, and nothing is made', async () => {
  const { code, out, error } = await start({
    ...production,
    DATABASE_URL: server.href.replace(/\/\w+$/, `/${database}`),
  }).ended;
  expect([code, out]).toEqual([1, '']);
  expect(error).toMatch(/a superuser: row-level security would not bind the service\. Create a role/);
  expect(JSON.parse(error)).toEqual({ level: 'fatal', time: expect.any(String), msg: expect.any(String) });
});

test('a safe role starts once the owner has migrated, and serves', async () => {
  const variables = { ...production, DATABASE_URL: urlOf(role, 'hunter2') };
  const early = await start(variables).ended;
  expect(early).toMatchObject({ code: 1, error: expect.stringContaining('daemun migrate --grant-to') });
  const service = start({ ...variables, MIGRATION_DATABASE_URL: urlOf(server.username, server.password) });
  expect(
    (await service.ready)
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
  ).toMatchObject([
    { msg: 'Daemun is ready at https://id.example.com', url: 'https://id.example.com' },
    { msg: 'There is no administrator yet. For a link that makes one: daemun users setup-link' },
  ]);
  for (const path of ['/readyz', '/.well-known/openid-configuration', '/']) {
    expect([path, await askHost(production.PORT!, 'id.example.com', path)]).toEqual([path, 200]);
  }
  const { code, out, error } = await stop(service);
  expect([code, error]).toEqual([0, '']);
  // The setup link is a secret, and this is kept with the log.
  expect(out).not.toContain('/setup/');
  const again = start(variables);
  await again.ready;
  expect(await stop(again)).toMatchObject({ code: 0, error: '' });
});

test('an unreachable database is named, its password is not', async () => {
  const url = `postgresql://${role}:hunter2@127.0.0.1:${await freePort()}/daemun`;
  const { code, error } = await start({ ...production, DATABASE_URL: url }).ended;
  expect(code).toBe(1);
  expect(JSON.parse(error).msg).toMatch(/^PostgreSQL at 127\.0\.0\.1:\d+ cannot be reached \(ECONNREFUSED\)/);
  expect(error).not.toContain('hunter2');
});
