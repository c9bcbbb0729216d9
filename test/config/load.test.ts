import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type ConfigError, type Environment, loadConfig } from '../../src/config/load.ts';
import { providers } from '../../src/upstreams/registry.ts';

const KEY = Buffer.alloc(32, 7).toString('base64');
const production = {
  NODE_ENV: 'production',
  ISSUER: 'https://id.example.com',
  DATABASE_URL: 'postgresql://daemun_app:hunter2@db.internal/daemun',
  KEY_ENCRYPTION_KEY: KEY,
  SMTP_URL: 'smtps://mail.internal',
  MAIL_FROM: 'no-reply@example.com',
};

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'daemun-config-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

function problemsOf(env: Environment): string[] {
  try {
    loadConfig(providers, env);
  } catch (error) {
    return (error as ConfigError).problems.map(({ variable, message }) => `${variable} ${message}`);
  }
  throw new Error('the configuration was accepted');
}

describe('without any variable', () => {
  test('the service runs on loopback with an embedded database beside package.json', () => {
    const config = loadConfig(providers, {});
    expect(config).toMatchObject({
      production: false,
      issuer: 'http://localhost:3000',
      listen: { host: '127.0.0.1', port: 3000 },
      database: { kind: 'embedded', directory: join(process.cwd(), 'data') },
      keysDirectory: join(process.cwd(), 'keys'),
      trustedProxies: [],
      playground: true,
      warnings: [],
    });
  });

  test('lifetimes are the documented ones', () => {
    expect(loadConfig(providers, {}).lifetimes).toEqual({
      accessToken: 15 * 60,
      idToken: 3600,
      authorizationCode: 60,
      refreshToken: 30 * 86_400,
      refreshTokenAbsolute: 365 * 86_400,
      refreshGrace: 10,
      session: 14 * 86_400,
      interaction: 3600,
    });
  });
});

test('the port is part of the default issuer', () => {
  expect(loadConfig(providers, { PORT: '4000' })).toMatchObject({
    issuer: 'http://localhost:4000',
    listen: { port: 4000 },
  });
});

test('the issuer loses its trailing slash and its default port', () => {
  expect(loadConfig(providers, { ISSUER: 'https://ID.example.com:443/' }).issuer).toBe('https://id.example.com');
});

test('durations take a unit', () => {
  const { lifetimes } = loadConfig(providers, {
    DAEMUN_SESSION_LIFETIME: '2d',
    DAEMUN_REFRESH_GRACE: '0',
    DAEMUN_ID_TOKEN_LIFETIME: '90',
  });
  expect(lifetimes).toMatchObject({ session: 2 * 86_400, refreshGrace: 0, idToken: 90 });
});

test('S-152 sessions end unused only where that is set, and no later than they end anyway', () => {
  expect(loadConfig(providers, {}).lifetimes.sessionIdle).toBeUndefined();
  expect(loadConfig(providers, { DAEMUN_SESSION_IDLE: '1h' }).lifetimes).toMatchObject({
    session: 14 * 86_400,
    sessionIdle: 3600,
  });
  expect(() => loadConfig(providers, { DAEMUN_SESSION_IDLE: '2d', DAEMUN_SESSION_LIFETIME: '1d' })).toThrow(
    /DAEMUN_SESSION_IDLE.*longer than DAEMUN_SESSION_LIFETIME/,
  );
});

test('DATABASE_URL selects PostgreSQL and prints as a mask', () => {
  const { database } = loadConfig(providers, { DATABASE_URL: production.DATABASE_URL });
  expect(database).toMatchObject({ kind: 'postgresql', poolSize: 10 });
  expect(inspect(database) + JSON.stringify(database)).not.toContain('hunter2');
});

test('an empty variable is an absent one', () => {
  expect(loadConfig(providers, { DATABASE_URL: '', ISSUER: ' ', DAEMUN_BRAND_NAME: '' })).toMatchObject({
    issuer: 'http://localhost:3000',
    branding: { name: 'Daemun' },
    database: { kind: 'embedded' },
  });
});

describe('a secret from a file', () => {
  test('is read without its line end', () => {
    const config = loadConfig(providers, { KEY_ENCRYPTION_KEY_FILE: file('kek', `${KEY}\n`) });
    expect(config.keyEncryptionKey?.reveal()).toBe(KEY);
    expect(`${config.keyEncryptionKey}`).toBe('[secret]');
  });

  test.each([
    ['set twice', () => ({ KEY_ENCRYPTION_KEY: KEY, KEY_ENCRYPTION_KEY_FILE: file('twice', KEY) }), 'is set twice'],
    ['not there', () => ({ KEY_ENCRYPTION_KEY_FILE: join(folder, 'none') }), 'cannot be read (ENOENT)'],
    ['a folder', () => ({ KEY_ENCRYPTION_KEY_FILE: folder }), 'cannot be read (EISDIR)'],
    ['empty', () => ({ KEY_ENCRYPTION_KEY_FILE: file('empty', '\n') }), 'is empty'],
    ['too short a key', () => ({ KEY_ENCRYPTION_KEY_FILE: file('short', 'c2hvcnQ=') }), 'must be 32 random bytes'],
  ])('%s is a clear problem', (_situation, env, expected) => {
    const problems = problemsOf(env());
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(expected);
  });
});

test('all problems are reported at once, without the values', () => {
  const problems = problemsOf({
    PORT: 'hunter2',
    ISSUER: 'http://id.example.com',
    DATABASE_URL: 'mysql://root:hunter2@db/x',
    DAEMUN_ACESS_TOKEN_LIFETIME: '15m',
    TRUSTED_PROXIES: '10.0.0.0/8, hunter2',
  });
  expect(problems).toHaveLength(5);
  expect(problems.join()).not.toContain('hunter2');
});

test.each([
  ['DAEMUN_ACESS_TOKEN_LIFETIME', 'perhaps DAEMUN_ACCESS_TOKEN_LIFETIME was meant'],
  ['DANGEROUSLY_ANYTHING', 'is not a variable of this service'],
  ['DAEMUN_BRAND_NAME_FILE', 'is not a variable of this service'],
])('%s is refused because it is unknown', (name, expected) => {
  expect(problemsOf({ [name]: '1' })).toEqual([expect.stringContaining(expected)]);
});

test.each([
  ['ISSUER', 'id.example.com'],
  ['ISSUER', 'http://192.168.0.5:3000'],
  ['ISSUER', 'http://localhost.example.com'],
  ['ISSUER', 'https://id.example.com/auth'],
  ['ISSUER', 'https://user@id.example.com'],
  ['ISSUER', 'https://id.example.com/?a=b'],
  ['ISSUER', 'https://id.example.com/#'],
  ['ISSUER', 'ftp://id.example.com'],
  ['PORT', '65536'],
  ['PORT', '-1'],
  ['PORT', '0x10'],
  ['DATABASE_URL', 'postgresql://host'],
  ['DATABASE_URL', '/var/lib/db'],
  ['DAEMUN_AUTHORIZATION_CODE_LIFETIME', '61s'],
  ['DAEMUN_SESSION_LIFETIME', '1w'],
  ['DAEMUN_SESSION_LIFETIME', '1e9'],
  // S-152: one factor is good for thirty days.
  ['DAEMUN_SESSION_LIFETIME', '31d'],
  ['DAEMUN_REFRESH_TOKEN_LIFETIME', '366d'],
  ['DAEMUN_BCRYPT_COST', '15'],
  ['DAEMUN_PASSWORD_MINIMUM_LENGTH', '7'],
  ['PASSWORD_HASH', 'md5'],
  ['TRUSTED_PROXIES', '10.0.0.0/33'],
  ['TRUSTED_PROXIES', 'proxy.internal'],
  ['TRUSTED_PROXIES', '10'],
  ['KEY_ENCRYPTION_KEY', 'password'],
  ['KEY_ENCRYPTION_KEY', Buffer.alloc(16).toString('base64')],
  ['DAEMUN_BRAND_COLOR', 'red;}'],
  ['DAEMUN_BRAND_LOGO', 'https://cdn.example.com/logo.png'],
  ['DAEMUN_BRAND_LOGO', '//cdn.example.com/logo.png'],
  ['DAEMUN_BRAND_LOGO', 'data:text/html;base64,AAAA'],
  ['DAEMUN_PLAYGROUND', 'maybe'],
  ['LOG_LEVEL', 'loud'],
  ['NODE_ENV', 'staging'],
])('%s=%s is refused', (name, value) => {
  expect(problemsOf({ [name]: value })).toEqual([expect.stringMatching(new RegExp(`^${name} `))]);
});

test.each([
  [{ DATABASE_URL: production.DATABASE_URL, DATA_DIR: '/tmp/x' }, 'DATA_DIR'],
  [{ MIGRATION_DATABASE_URL: production.DATABASE_URL }, 'MIGRATION_DATABASE_URL'],
  [{ DAEMUN_DATABASE_POOL_SIZE: '5' }, 'DAEMUN_DATABASE_POOL_SIZE'],
  [{ KEY_ENCRYPTION_KEY: KEY, KEYS_DIR: '/tmp/x' }, 'KEYS_DIR'],
])('what belongs together or excludes each other is refused in halves: %j', (env, variable) => {
  expect(problemsOf(env)).toEqual([expect.stringMatching(new RegExp(`^${variable} `))]);
});

describe('in production', () => {
  test('a complete configuration starts, listens everywhere and has no playground (S-178)', () => {
    expect(loadConfig(providers, production)).toMatchObject({
      production: true,
      issuer: 'https://id.example.com',
      listen: { host: '0.0.0.0' },
      playground: false,
      logLevel: 'info',
      warnings: [],
    });
  });

  test('the issuer, the key-encryption key and the database are all asked for at once', () => {
    expect(problemsOf({ NODE_ENV: 'production' })).toEqual([
      expect.stringMatching(/^ISSUER is required/),
      expect.stringMatching(/^KEY_ENCRYPTION_KEY is required/),
      expect.stringMatching(/^DATABASE_URL is required/),
    ]);
  });

  test.each([
    [{ ISSUER: 'http://localhost:3000' }, 'ISSUER'],
    [{ DAEMUN_PLAYGROUND: 'on' }, 'DAEMUN_PLAYGROUND'],
    [{ DAEMUN_BCRYPT_COST: '11' }, 'DAEMUN_BCRYPT_COST'],
  ])('%j is refused', (env, variable) => {
    expect(problemsOf({ ...production, ...env })).toEqual([expect.stringMatching(new RegExp(`^${variable} `))]);
  });

  test('the embedded database must be chosen by DATA_DIR, and is warned about', () => {
    const { warnings, database } = loadConfig(providers, { ...production, DATABASE_URL: undefined, DATA_DIR: folder });
    expect(database).toEqual({ kind: 'embedded', directory: folder });
    expect(warnings).toEqual([expect.stringContaining('not safe against power loss')]);
  });
});

test('trusting everybody as a proxy is warned about', () => {
  expect(loadConfig(providers, { TRUSTED_PROXIES: '0.0.0.0/0' }).warnings).toHaveLength(1);
  expect(loadConfig(providers, { TRUSTED_PROXIES: '10.0.0.0/8,::1' })).toMatchObject({
    trustedProxies: ['10.0.0.0/8', '::1'],
    warnings: [],
  });
});
