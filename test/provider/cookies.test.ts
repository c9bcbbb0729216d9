import { expect, test } from '@jest/globals';
import { cookiesFor, createCookieKeys } from '../../src/provider/cookies.ts';

test('S-151 signatures are HMAC-SHA-256, by the first key', () => {
  const [first, second] = [createCookieKeys(() => ['a', 'b']), createCookieKeys(() => ['b'])];
  expect(first.sign('name=value')).toMatch(/^[\w-]{43}$/);
  expect(first.sign('name=value')).not.toBe(second.sign('name=value'));
});

test('every key verifies, and says which one it was', () => {
  const keys = createCookieKeys(() => ['new', 'old']);
  expect(keys.index('name=value', createCookieKeys(() => ['old']).sign('name=value'))).toBe(1);
  expect(keys.index('name=value', keys.sign('name=value'))).toBe(0);
  expect(keys.verify('name=value', keys.sign('name=value'))).toBe(true);
});

test.each(['', 'x', 'A'.repeat(43), 'A'.repeat(5000), '한'])('the signature %j is none', (signature) => {
  const keys = createCookieKeys(() => ['key']);
  expect(keys.index('name=value', signature)).toBe(-1);
  expect(keys.verify('name=value', signature)).toBe(false);
});

test('a signature of another name or value is none', () => {
  const keys = createCookieKeys(() => ['key']);
  expect(keys.verify('name=other', keys.sign('name=value'))).toBe(false);
  expect(keys.verify('other=value', keys.sign('name=value'))).toBe(false);
});

test('without a key nothing starts', () => {
  expect(() => createCookieKeys(() => [])).toThrow();
});

test('S-151 prefixes and Secure go with https only', () => {
  const keys = createCookieKeys(() => ['key']);
  const https = cookiesFor('https://id.example.com', keys);
  expect(https.names.session).toMatch(/^__Host-/);
  expect(https.names.interaction).toMatch(/^__Secure-/);
  expect(https.names.resume).toMatch(/^__Secure-/);
  expect([https.long.secure, https.short.secure]).toEqual([true, true]);
  const loopback = cookiesFor('http://localhost:3000', keys);
  expect(Object.values(loopback.names).join()).not.toMatch(/__/);
  expect([loopback.long.secure, loopback.short.secure]).toEqual([false, false]);
});

test('keys that change meanwhile count at the next cookie', () => {
  let current = ['old'];
  const keys = createCookieKeys(() => current);
  const signature = keys.sign('name=value');
  current = ['new', 'old'];
  expect(keys.index('name=value', signature)).toBe(1);
  expect(keys.sign('name=value')).toBe(createCookieKeys(() => ['new']).sign('name=value'));
  current = ['new'];
  expect(keys.verify('name=value', signature)).toBe(false);
});
