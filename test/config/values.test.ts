import { expect, test } from '@jest/globals';
import { settingKinds } from '../../src/config/setting-kinds.ts';
import { domainList, duration, issuer, loopbackOrigin } from '../../src/config/values.ts';

test.each([
  ['90', 90],
  ['90s', 90],
  ['15m', 900],
  ['1h', 3600],
  ['1s', undefined],
  ['2h', undefined],
  ['1.5m', undefined],
  ['-1m', undefined],
  ['1w', undefined],
])('a duration from a minute to an hour: %j is %j', (value, seconds) => {
  expect(duration('1m', '1h').safeParse(value).data).toBe(seconds);
});

test.each([
  ['Example.com', ['example.com']],
  ['a.example, b.example,,a.example', ['a.example', 'b.example']],
  ['한국.kr', ['xn--3e0b707e.kr']],
  ['', undefined],
  ['example', undefined],
  ['*.example.com', undefined],
  ['a.example b.example', undefined],
])('domains: %j is %j', (value, domains) => {
  expect(domainList.safeParse(value).data).toEqual(domains);
});

test.each([
  ['https://id.example.com/', 'https://id.example.com'],
  ['http://localhost:3000', 'http://localhost:3000'],
  ['http://id.example.com', undefined],
  ['https://id.example.com/path', undefined],
  ['https://id.example.com?', undefined],
  ['id.example.com', undefined],
])('an issuer: %j is %j', (value, origin) => {
  expect(issuer.safeParse(value).data).toBe(origin);
});

test.each([
  ['http://[::1]:4002', 'http://[::1]:4002'],
  ['http://127.0.0.2:4002', undefined],
  ['http://localhost:4002/a', undefined],
])('an origin on this machine: %j is %j', (value, origin) => {
  expect(loopbackOrigin.safeParse(value).data).toBe(origin);
});

test.each([
  ['text', 'as it is', 'as it is'],
  ['text', 'x'.repeat(1025), undefined],
  ['flag', 'on', true],
  ['flag', '0', false],
  ['flag', 'perhaps', undefined],
  ['domains', 'a.example', ['a.example']],
] as const)('a setting of the kind %s: %j is %j', (kind, value, expected) => {
  expect(settingKinds[kind].schema.safeParse(value).data).toEqual(expected);
});
