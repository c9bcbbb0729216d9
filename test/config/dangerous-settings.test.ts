import { expect, test } from '@jest/globals';
import { loadConfig } from '../../src/config/load.ts';
import { variables } from '../../src/config/schema.ts';
import { providers } from '../../src/upstreams/registry.ts';

const PRODUCTION = {
  NODE_ENV: 'production',
  ISSUER: 'https://id.example.com',
  KEY_ENCRYPTION_KEY: Buffer.alloc(32, 7).toString('base64'),
  DATABASE_URL: 'postgresql://daemun_app@db.example.com/daemun',
  SMTP_URL: 'smtps://mail.example.com',
  MAIL_FROM: 'no-reply@example.com',
};

/** Every one there is, now and later. */
const dangerous = Object.keys(variables).filter((name) => name.startsWith('DANGEROUSLY_'));

/** How one is turned on that is no switch. */
const values: Record<string, string> = {
  DANGEROUSLY_UPSTREAMS_AT: 'http://localhost:4002',
  DANGEROUSLY_RAISE_LIMITS: '100',
};
const turnedOn = (name: string) => ({ [name]: values[name] ?? 'on' });

test('there are dangerous settings', () => {
  expect(dangerous).toEqual([
    'DANGEROUSLY_FETCH_FROM_LOOPBACK',
    'DANGEROUSLY_SMTP_WITHOUT_TLS',
    'DANGEROUSLY_RAISE_LIMITS',
    'DANGEROUSLY_UPSTREAMS_AT',
  ]);
});

test.each(dangerous)('S-178 %s is off unless it is turned on, and then says so at every start', (name) => {
  expect(loadConfig(providers, {}).warnings).toEqual([]);
  expect(loadConfig(providers, { [name]: name in values ? '' : 'off' }).warnings).toEqual([]);
  expect(loadConfig(providers, turnedOn(name)).warnings).toEqual([expect.stringContaining(name)]);
});

test.each(dangerous)('S-178 %s refuses to start in production', (name) => {
  expect(loadConfig(providers, PRODUCTION).warnings).toEqual([]);
  expect(() => loadConfig(providers, { ...PRODUCTION, ...turnedOn(name) })).toThrow(
    `${name} cannot be turned on in production`,
  );
});

test('S-176 nothing is fetched from this machine unless that was asked for', () => {
  expect(loadConfig(providers, {}).dangerouslyFetchFromLoopback).toBe(false);
  expect(loadConfig(providers, { DANGEROUSLY_FETCH_FROM_LOOPBACK: 'on' }).dangerouslyFetchFromLoopback).toBe(true);
});

test('Google and Discord are themselves unless another place on this machine is named', () => {
  expect(loadConfig(providers, {}).upstreams.dangerouslyAt).toBeUndefined();
  expect(loadConfig(providers, { DANGEROUSLY_UPSTREAMS_AT: 'http://127.0.0.1:4002/' }).upstreams.dangerouslyAt).toBe(
    'http://127.0.0.1:4002',
  );
});

test('every limit is raised by the factor that was asked for, and none without', () => {
  const { account, ...limits } = loadConfig(providers, {}).limits;
  const raised = loadConfig(providers, { DANGEROUSLY_RAISE_LIMITS: '100' }).limits;
  for (const [name, limit] of Object.entries(limits))
    expect([name, raised[name as never]]).toEqual([name, 100 * limit]);
  expect(raised.account).toEqual({ ...account, triesPerMinute: 500, mostFailures: 10_000 });
});

test.each([
  'on',
  'https://upstreams.example.com',
  'http://192.168.0.5:4002',
  'http://localhost.example.com',
  'http://localhost:4002/path',
  'http://localhost:4002/?a=b',
  'http://user@localhost:4002',
  'ftp://localhost',
])('S-178 nobody but this machine can stand in for them: %s is refused', (value) => {
  expect(() => loadConfig(providers, { DANGEROUSLY_UPSTREAMS_AT: value })).toThrow(
    'DANGEROUSLY_UPSTREAMS_AT must be an origin on this machine',
  );
});
