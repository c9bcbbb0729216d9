import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { type ConfigError, loadConfig } from '../../src/config/load.ts';
import { providers } from '../../src/upstreams/registry.ts';

const MAIL = { SMTP_URL: 'smtp://mail.example.com', MAIL_FROM: 'no-reply@example.com' };
const LOGIN = { SMTP_USER: 'daemun', SMTP_PASSWORD: 'hunter2' };

function problemsOf(env: Record<string, string>): string[] {
  try {
    loadConfig(providers, env);
  } catch (error) {
    return (error as ConfigError).problems.map(({ variable, message }) => `${variable} ${message}`);
  }
  return [];
}

test('nobody sends mail unless a server is named', () => {
  expect(loadConfig(providers, {}).mail).toBeUndefined();
});

test.each([
  ['smtp://mail.example.com', { host: 'mail.example.com', port: 587, tls: 'required' }],
  ['smtp://mail.example.com:2525', { host: 'mail.example.com', port: 2525, tls: 'required' }],
  ['smtps://mail.example.com', { host: 'mail.example.com', port: 465, tls: 'implicit' }],
  ['smtps://[::1]:4465/', { host: '::1', port: 4465, tls: 'implicit' }],
])('%s is a server that is spoken to in secret', (SMTP_URL, server) => {
  expect(loadConfig(providers, { ...MAIL, SMTP_URL }).mail).toEqual({
    server,
    from: { address: 'no-reply@example.com' },
  });
});

test('the password may come from a file and does not print', () => {
  const folder = mkdtempSync(join(tmpdir(), 'daemun-mail-'));
  try {
    const file = join(folder, 'password');
    writeFileSync(file, 'hunter2\n');
    const { mail } = loadConfig(providers, { ...MAIL, SMTP_USER: 'daemun', SMTP_PASSWORD_FILE: file });
    expect(mail?.server.user).toBe('daemun');
    expect(mail?.server.password?.reveal()).toBe('hunter2');
    expect(JSON.stringify(mail)).not.toContain('hunter2');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.each([
  ['Example <no-reply@example.com>', { name: 'Example', address: 'no-reply@example.com' }],
  ['"Example, Inc." <no-reply@example.com>', { name: 'Example, Inc.', address: 'no-reply@example.com' }],
  ['대문 <no-reply@example.com>', { name: '대문', address: 'no-reply@example.com' }],
])('mail may be from somebody with a name: %s', (MAIL_FROM, from) => {
  expect(loadConfig(providers, { ...MAIL, MAIL_FROM }).mail?.from).toEqual(from);
});

test.each([
  'nobody',
  'a@example.com, b@example.com',
  'a@example.com\r\nBcc: b@example.com',
  'Example <a@example.com> <b@example.com>',
  'Example\n <a@example.com>',
  '<>',
])('S-146 mail is not from %j', (MAIL_FROM) => {
  expect(problemsOf({ ...MAIL, MAIL_FROM })).toEqual([expect.stringMatching(/^MAIL_FROM must be an address/)]);
});

test.each([
  ['mail.example.com', 'must be a URL'],
  ['http://mail.example.com', 'must be a URL'],
  ['smtp://', 'must be a URL'],
  ['smtp://daemun:hunter2@mail.example.com', 'must not hold credentials'],
  ['smtp://mail.example.com/inbox', 'must not have a path'],
  ['smtp://mail.example.com?tls=no', 'must not have a path'],
])('SMTP_URL %s is refused, and not repeated', (SMTP_URL, message) => {
  const problems = problemsOf({ ...MAIL, SMTP_URL });
  expect(problems).toEqual([expect.stringContaining(`SMTP_URL ${message}`)]);
  expect(problems.join()).not.toContain('hunter2');
});

test.each([
  [{ SMTP_URL: MAIL.SMTP_URL }, ['MAIL_FROM']],
  [{ MAIL_FROM: MAIL.MAIL_FROM }, ['MAIL_FROM']],
  [LOGIN, ['SMTP_USER', 'SMTP_PASSWORD']],
  [{ ...MAIL, SMTP_USER: 'daemun' }, ['SMTP_USER']],
  [{ ...MAIL, SMTP_PASSWORD: 'hunter2' }, ['SMTP_PASSWORD']],
  [{ ...MAIL, ...LOGIN, DANGEROUSLY_SMTP_WITHOUT_TLS: 'on' }, ['SMTP_PASSWORD']],
])('what belongs together or excludes each other is refused in halves: %j', (env, variables) => {
  expect(problemsOf(env as Record<string, string>).map((problem) => problem.split(' ')[0])).toEqual(variables);
});

test('a server without TLS is spoken to only when that was asked for', () => {
  const { mail } = loadConfig(providers, { ...MAIL, DANGEROUSLY_SMTP_WITHOUT_TLS: 'on' });
  expect(mail?.server.tls).toBe('offered');
});

test('production without a mail server starts, and says at every start that mail waits', () => {
  const production = {
    NODE_ENV: 'production',
    ISSUER: 'https://id.example.com',
    KEY_ENCRYPTION_KEY: Buffer.alloc(32, 7).toString('base64'),
    DATABASE_URL: 'postgresql://daemun_app@db.example.com/daemun',
  };
  expect(loadConfig(providers, production).warnings).toEqual([expect.stringContaining('SMTP_URL')]);
  expect(loadConfig(providers, { ...production, ...MAIL }).warnings).toEqual([]);
});
