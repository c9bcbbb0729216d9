import { describe, expect, test } from '@jest/globals';
import { emailOf, localeOf, pictureOf, said, textOf } from '../../src/upstreams/profile-values.ts';

describe('text', () => {
  test.each<[unknown, string | undefined]>([
    ['Minji', 'Minji'],
    [' 김다은 🙂 ', '김다은 🙂'],
    ['x'.repeat(256), 'x'.repeat(256)],
    ['x'.repeat(257), undefined],
    ['', undefined],
    ['  ', undefined],
    ['two\nlines', undefined],
    ['nul\u0000', undefined],
    ['half \ud800', undefined],
    [42, undefined],
    [null, undefined],
    [['Minji'], undefined],
    [{ toString: () => 'Minji' }, undefined],
  ])('%j is %j', (value, text) => {
    expect(textOf(value)).toBe(text);
  });
});

describe('S-111 an address', () => {
  test.each<[address: unknown, flag: unknown, expected: object | undefined]>([
    ['a@b.example', true, { address: 'a@b.example', verified: true }],
    [' a@b.example ', true, { address: 'a@b.example', verified: true }],
    ['a@b.example', 'true', { address: 'a@b.example', verified: false }],
    ['a@b.example', 1, { address: 'a@b.example', verified: false }],
    ['a@b.example', undefined, { address: 'a@b.example', verified: false }],
    ['a b@c.example', true, undefined],
    ['@b.example', true, undefined],
    ['a@', true, undefined],
    [`${'a'.repeat(250)}@b.c`, true, { address: `${'a'.repeat(250)}@b.c`, verified: true }],
    [`${'a'.repeat(251)}@b.c`, true, undefined],
    [null, true, undefined],
    [{ address: 'a@b.example' }, true, undefined],
  ])('%j with the flag %j', (address, flag, expected) => {
    expect(emailOf(address, flag)).toEqual(expected);
  });
});

test.each<[unknown, string | undefined]>([
  ['ko', 'ko'],
  ['EN_us', 'en-US'],
  ['zh-hant-tw', 'zh-Hant-TW'],
  ['no locale', undefined],
  ['../etc', undefined],
  ['', undefined],
  [['ko'], undefined],
])('locale %j is %j', (value, locale) => {
  expect(localeOf(value)).toBe(locale);
});

test.each<[unknown, string | undefined]>([
  ['https://pictures.example/a', 'https://pictures.example/a'],
  ['https://PICTURES.example/a b', 'https://pictures.example/a%20b'],
  ['http://pictures.example/a', undefined],
  ['https://pictures.example:8443/a', undefined],
  ['https://user@pictures.example/a', undefined],
  ['https://evil.example/pictures.example', undefined],
  ['javascript:alert(1)', undefined],
  ['/a', undefined],
  [42, undefined],
])('picture %j is %j', (value, picture) => {
  expect(pictureOf(value, (host) => host === 'pictures.example')).toBe(picture);
});

test('what was not said is not there', () => {
  expect(Object.keys(said({ name: 'a', locale: undefined, flag: false, empty: '' }))).toEqual([
    'name',
    'flag',
    'empty',
  ]);
});
