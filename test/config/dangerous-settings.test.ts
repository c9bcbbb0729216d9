import { expect, test } from '@jest/globals';
import { loadConfig } from '../../src/config/load.ts';
import { variables } from '../../src/config/schema.ts';

const PRODUCTION = {
  NODE_ENV: 'production',
  ISSUER: 'https://id.example.com',
  KEY_ENCRYPTION_KEY: Buffer.alloc(32, 7).toString('base64'),
  DATABASE_URL: 'postgresql://daemun_app@db.example.com/daemun',
};

/** Every one there is, now and later. */
const dangerous = Object.keys(variables).filter((name) => name.startsWith('DANGEROUSLY_'));

test('there are dangerous settings', () => {
  expect(dangerous).toContain('DANGEROUSLY_FETCH_FROM_LOOPBACK');
});

test.each(dangerous)('S-178 %s is off unless it is turned on, and then says so at every start', (name) => {
  expect(loadConfig({}).warnings).toEqual([]);
  expect(loadConfig({ [name]: 'off' }).warnings).toEqual([]);
  expect(loadConfig({ [name]: 'on' }).warnings).toEqual([expect.stringContaining(name)]);
});

test.each(dangerous)('S-178 %s refuses to start in production', (name) => {
  expect(loadConfig(PRODUCTION).warnings).toEqual([]);
  expect(() => loadConfig({ ...PRODUCTION, [name]: 'on' })).toThrow(`${name} cannot be turned on in production`);
});

test('S-176 nothing is fetched from this machine unless that was asked for', () => {
  expect(loadConfig({}).dangerouslyFetchFromLoopback).toBe(false);
  expect(loadConfig({ DANGEROUSLY_FETCH_FROM_LOOPBACK: 'on' }).dangerouslyFetchFromLoopback).toBe(true);
});
