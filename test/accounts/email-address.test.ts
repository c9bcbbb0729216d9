import { describe, expect, test } from '@jest/globals';
import { emailAddressKey, parseEmailAddress } from '../../src/accounts/email-address.ts';

describe('an address is accepted', () => {
  test.each([
    ['Ada@Example.COM', 'Ada@example.com', 'ada@example.com'],
    [' ada+news@example.com ', 'ada+news@example.com', 'ada+news@example.com'],
    ["o'brien@example.co.uk", "o'brien@example.co.uk", "o'brien@example.co.uk"],
    ['root@localhost', 'root@localhost', 'root@localhost'],
    ['jiwoo@한국.kr', 'jiwoo@xn--3e0b707e.kr', 'jiwoo@xn--3e0b707e.kr'],
    ['ａｄａ＠ｅｘａｍｐｌｅ．ｃｏｍ', 'ada@example.com', 'ada@example.com'],
  ])('%s', (typed, address, key) => {
    expect(parseEmailAddress(typed)).toEqual({ kind: 'valid', email: { address, key } });
  });
});

describe('S-146 an address is refused', () => {
  test.each([
    ['nothing', '', 'missing'],
    ['no at sign', 'ada.example.com', 'invalid'],
    ['no local part', '@example.com', 'invalid'],
    ['no domain', 'ada@', 'invalid'],
    ['a list', 'ada@example.com,eve@example.com', 'invalid'],
    ['a list in the local part', 'ada@example.com, eve@example.com', 'invalid'],
    ['a name around it', 'Ada <ada@example.com>', 'invalid'],
    ['a quoted local part', '"ada lovelace"@example.com', 'invalid'],
    ['a line break', 'ada@example.com\nbcc:eve@example.com', 'invisible-characters'],
    ['an invisible character', 'ada\u200b@example.com', 'invisible-characters'],
    ['a dotless ı in the local part', 'admın@example.com', 'invalid'],
    ['a Cyrillic а in the local part', 'аda@example.com', 'invalid'],
    ['two dots', 'a..b@example.com', 'invalid'],
    ['an empty label', 'ada@example..com', 'invalid'],
    ['a hyphen in front of a label', 'ada@-example.com', 'invalid'],
    ['a path behind the domain', 'ada@evil.example/.example.com', 'invalid'],
    ['an encoded domain', 'ada@ex%61mple.com', 'invalid'],
    ['an address literal', 'ada@[127.0.0.1]', 'invalid'],
    ['a bare IPv4 address', 'ada@127.0.0.1', 'invalid'],
    ['a port', 'ada@example.com:25', 'invalid'],
    ['a local part of 65 characters', `${'a'.repeat(65)}@example.com`, 'too-long'],
    ['255 characters', `ada@${'a'.repeat(60)}.${'b'.repeat(60)}.${'c'.repeat(60)}.${'d'.repeat(63)}.exam`, 'too-long'],
  ])('because of %s', (_case, typed, reason) => {
    expect(parseEmailAddress(typed)).toMatchObject({ kind: 'refused', refusal: { field: 'email', reason } });
  });
});

test('an address typed in Unicode finds the one kept in ASCII', () => {
  for (const typed of ['X@Faß.de', 'x@xn--fa-hia.de', 'jiwoo@한국.kr', 'Ada@EXAMPLE.com']) {
    const parsed = parseEmailAddress(typed);
    expect(parsed.kind === 'valid' && parsed.email.key).toBe(emailAddressKey(typed));
  }
});

test('an address on a domain that only looks the same has another key', () => {
  expect(emailAddressKey('ada@аpple.com')).not.toBe(emailAddressKey('ada@apple.com'));
});

test.each(['', '@', 'a@b@c', 'ada@ex ample', `${'@'.repeat(500)}`, '\ufdfa@\ufdfa'])(
  'any text has a key: %j',
  (typed) => {
    expect(emailAddressKey(typed)).toContain('@');
  },
);
