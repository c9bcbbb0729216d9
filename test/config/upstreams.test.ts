import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { type ConfigError, type Environment, loadConfig } from '../../src/config/load.ts';
import { providers } from '../../src/upstreams/registry.ts';

const GOOGLE = { GOOGLE_CLIENT_ID: 'abc.apps.googleusercontent.com', GOOGLE_CLIENT_SECRET: 'hunter2' };
const DISCORD = { DISCORD_CLIENT_ID: '81384788765712384', DISCORD_CLIENT_SECRET: 'hunter3' };

function problemsOf(env: Environment): string[] {
  try {
    loadConfig(providers, env);
  } catch (error) {
    return (error as ConfigError).problems.map(({ variable, message }) => `${variable} ${message}`);
  }
  throw new Error('the configuration was accepted');
}

test('S-102 without any variable nobody else says who people are, and nobody gets an account by it', () => {
  expect(loadConfig(providers, {})).toMatchObject({
    upstreams: { providers: {}, keepsTokens: false },
    signUp: { policy: 'closed', domains: [] },
  });
  expect(loadConfig(providers, {}).upstreams).toEqual({ providers: {}, keepsTokens: false });
});

test('each provider is offered once its credentials are there, and its secret prints as a mask', () => {
  const { upstreams } = loadConfig(providers, { ...GOOGLE, ...DISCORD, DAEMUN_KEEP_UPSTREAM_TOKENS: 'on' });
  expect(upstreams).toMatchObject({
    providers: {
      google: { clientId: GOOGLE.GOOGLE_CLIENT_ID },
      discord: { clientId: DISCORD.DISCORD_CLIENT_ID },
    },
    keepsTokens: true,
  });
  expect(upstreams.providers.google?.clientSecret.reveal()).toBe('hunter2');
  expect(upstreams.providers.discord?.clientSecret.reveal()).toBe('hunter3');
  expect(inspect(upstreams, { depth: 5 }) + JSON.stringify(upstreams)).not.toContain('hunter');
  expect(loadConfig(providers, GOOGLE).upstreams.providers).not.toHaveProperty('discord');
});

test('a secret may come from a file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'daemun-config-'));
  const file = join(folder, 'secret');
  writeFileSync(file, 'hunter4\n');
  const { discord } = loadConfig(providers, { ...DISCORD, DISCORD_CLIENT_SECRET: '', DISCORD_CLIENT_SECRET_FILE: file })
    .upstreams.providers;
  rmSync(folder, { recursive: true });
  expect(discord?.clientSecret.reveal()).toBe('hunter4');
});

test('domains are compared in small letters and ASCII, each once', () => {
  const { upstreams, signUp } = loadConfig(providers, {
    ...GOOGLE,
    GOOGLE_HOSTED_DOMAINS: 'Example.com, 한국.kr,example.com',
    DAEMUN_SIGN_UP: 'domains',
    DAEMUN_SIGN_UP_DOMAINS: 'mail.Example.org',
  });
  expect(upstreams.providers.google?.settings.hostedDomains).toEqual(['example.com', 'xn--3e0b707e.kr']);
  expect(signUp).toEqual({ policy: 'domains', domains: ['mail.example.org'] });
});

describe('a half is a problem with a name', () => {
  test.each<[Environment, string]>([
    [{ GOOGLE_CLIENT_ID: 'abc' }, 'GOOGLE_CLIENT_SECRET is missing'],
    [{ GOOGLE_CLIENT_SECRET: 'hunter2' }, 'GOOGLE_CLIENT_ID is missing'],
    [{ DISCORD_CLIENT_ID: 'abc' }, 'DISCORD_CLIENT_SECRET is missing'],
    [{ DISCORD_CLIENT_SECRET: 'hunter2' }, 'DISCORD_CLIENT_ID is missing'],
    [{ GOOGLE_HOSTED_DOMAINS: 'example.com' }, 'GOOGLE_HOSTED_DOMAINS needs GOOGLE_CLIENT_ID'],
    [{ DAEMUN_SIGN_UP: 'domains' }, 'DAEMUN_SIGN_UP_DOMAINS is missing'],
    [{ DAEMUN_SIGN_UP_DOMAINS: 'example.com' }, 'DAEMUN_SIGN_UP_DOMAINS needs DAEMUN_SIGN_UP=domains'],
    [
      { DAEMUN_SIGN_UP: 'open', DAEMUN_SIGN_UP_DOMAINS: 'example.com' },
      'DAEMUN_SIGN_UP_DOMAINS needs DAEMUN_SIGN_UP=domains',
    ],
  ])('%j', (env, problem) => {
    const problems = problemsOf(env);
    expect(problems).toEqual([expect.stringContaining(problem)]);
    expect(problems.join()).not.toContain('hunter2');
  });
});

test.each<[string, string, Environment]>([
  ['DAEMUN_SIGN_UP', 'everybody', {}],
  ['DAEMUN_KEEP_UPSTREAM_TOKENS', 'maybe', {}],
  ...['*', '*.example.com', '@example.com', 'example', 'http://example.com', 'a b.com', ',', '10.0.0.1', '-a.com'].map(
    (value): [string, string, Environment] => ['DAEMUN_SIGN_UP_DOMAINS', value, { DAEMUN_SIGN_UP: 'domains' }],
  ),
])('%s=%s is refused', (name, value, env) => {
  expect(problemsOf({ ...env, [name]: value })).toEqual([expect.stringMatching(new RegExp(`^${name} `))]);
});

test.each([
  ['GOOGLE_HOSTED_DOMAIN', 'GOOGLE_HOSTED_DOMAINS'],
  ['GOOGLE_HOSTD_DOMAINS', 'GOOGLE_HOSTED_DOMAINS'],
  ['GOOGLE_DOMAINS', 'GOOGLE_HOSTED_DOMAINS'],
  ['GOOGLE_CLENT_ID', 'GOOGLE_CLIENT_ID'],
  ['GOOGLE_CLINET_ID', 'GOOGLE_CLIENT_ID'],
  ['GOOGLE_CLIENTID', 'GOOGLE_CLIENT_ID'],
  ['GOOGLE_CLIENT_SECRET_FIEL', 'GOOGLE_CLIENT_SECRET_FILE'],
  ['DISCORD_CLIENT_SECRETS', 'DISCORD_CLIENT_SECRET'],
  ['DISCORD_SECRET_FILE', 'DISCORD_CLIENT_SECRET_FILE'],
])('S-102 %s, which would silently open or close a door, is refused because it is unknown', (name, meant) => {
  expect(problemsOf({ [name]: 'x' })).toEqual([
    `${name} is not a variable of this service; perhaps ${meant} was meant`,
  ]);
});

test.each(['DISCORD_SECRET', 'GOOGLE_SECRET', 'DISCORD_CLIENT_PASSPHRASE'])('%s is refused, too', (name) => {
  expect(problemsOf({ [name]: 'hunter2' })).toEqual([expect.stringMatching(/^\w+ is not a variable of this service/)]);
});

test.each([
  'GOOGLE_APPLICATION_CREDENTIALS',
  'GOOGLE_CLOUD_PROJECT',
  'GOOGLE_CREDENTIALS',
  'GOOGLE_API_KEY',
  'GOOGLE_PROJECT_ID',
  'GOOGLE_SECRET_MANAGER_PROJECT',
  'GOOGLE_DOMAINS_ACCESS_TOKEN',
  'GOOGLE_HOST',
  'GOOGLE_ID',
  'DISCORD_TOKEN',
  'DISCORD_WEBHOOK_URL',
  'DISCORD_PUBLIC_KEY',
  'DISCORD_APPLICATION_ID',
  'DISCORD_HOSTED_BY',
  'GITHUB_CLIENT_ID',
  'CLIENT_SECRET',
])('%s is none of ours, and stops no start', (name) => {
  expect(() => loadConfig(providers, { [name]: 'x' })).not.toThrow();
});
