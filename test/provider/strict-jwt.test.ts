import { describe, expect, test } from '@jest/globals';
import { hasOneReading, withoutAmbiguousJwts, withoutAmbiguousProof } from '../../src/provider/strict-jwt.ts';

const encode = (text: string | Buffer) => Buffer.from(text as string).toString('base64url');
const HEADER = encode('{"alg":"ES256"}');
const jwt = (payload: string | Buffer, header = HEADER) => `${header}.${encode(payload)}.${encode('signature')}`;

test.each([
  ['a plain one', jwt('{"a":1,"b":{"a":2},"c":[{"a":3},{"a":4}],"d":"\\"a\\":1"}')],
  ['one in another spelling of JSON', jwt(' { "a" : 1 ,\n"b" : "\\u0061" } ')],
  ['one with names of the language', jwt('{"__proto__":1,"constructor":2,"toString":3}')],
  ['an unsigned one', `${HEADER}.${encode('{}')}.`],
  ['one with other letters', jwt('{"이름":"대문","\\ud800":"x"}')],
])('S-080 %s has one reading', (_, value) => {
  expect(hasOneReading(value)).toBe(true);
});

describe('S-080 there is more than one reading, or none, of', () => {
  test.each([
    ['a member twice', jwt('{"sub":"a","sub":"b"}')],
    ['a member twice, once escaped', jwt('{"sub":"a","s\\u0075b":"b"}')],
    ['a member twice further down', jwt('{"a":{"b":1,"b":2}}')],
    ['a member twice in a list', jwt('{"a":[{"b":1,"b":2}]}')],
    ['a member twice in the header', jwt('{}', encode('{"alg":"ES256","alg":"none"}'))],
    ['two parts', `${HEADER}.${encode('{}')}`],
    ['four parts', `${jwt('{}')}.x`],
    ['padding', `${HEADER}.${Buffer.from('{"a":1}').toString('base64')}.x`],
    ['loose bits at the end', `${HEADER}.e31.x`.replace('.x', '.eH')],
    ['other letters than base64url', `${HEADER}.${encode('{}')}.a+b/`],
    ['white space', `${jwt('{}')}\n`],
    ['no UTF-8', jwt(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))],
    ['no JSON', jwt('{')],
    ['a list', jwt('[]')],
    ['a text', jwt('"x"')],
    ['null', jwt('null')],
    ['endless nesting', jwt(`{"a":${'['.repeat(50_000)}${']'.repeat(50_000)}}`)],
    ['nothing', ''],
    ['dots', '..'],
  ])('%s', (_, value) => {
    expect(hasOneReading(value)).toBe(false);
  });
});

test('parameters stay as they were sent unless one of them is ambiguous', () => {
  const fine = `request=${jwt('{}')}&state=a+b%20c&x`;
  expect(withoutAmbiguousJwts(fine)).toBe(fine);
  const twice = jwt('{"a":1,"a":2}');
  for (const name of ['request', 'client_assertion', 'id_token_hint', 're%71uest']) {
    const parameters = new URLSearchParams(withoutAmbiguousJwts(`${name}=${twice}&state=a+b`));
    expect(parameters.get(decodeURIComponent(name))).toBe('unreadable');
    expect(parameters.get('state')).toBe('a b');
  }
  expect(withoutAmbiguousJwts('request=&state=x')).toBe('request=&state=x');
});

test('a proof comes in a header', () => {
  const headers = { host: 'x', dpop: jwt('{}') };
  expect(withoutAmbiguousProof(headers)).toBe(headers);
  expect(withoutAmbiguousProof({ host: 'x', dpop: jwt('{"a":1,"a":2}') })).toEqual({ host: 'x', dpop: 'unreadable' });
  expect(withoutAmbiguousProof({ host: 'x', dpop: undefined as string | undefined })).toEqual({
    host: 'x',
    dpop: undefined,
  });
});
