import { readFileSync } from 'node:fs';
import { inspect } from 'node:util';
import { expect, test } from '@jest/globals';
import {
  apiKeyPattern,
  createApiKeyParser,
  digestOfApiKey,
  generateApiKeyValue,
  hintOfApiKey,
  isApiKeyPrefix,
} from '../../src/api-keys/api-key-value.ts';
import { randomLetters } from '../../src/platform/base62.ts';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const parse = createApiKeyParser('sk-');

/** CRC-32 (IEEE 802.3), written anew bit by bit. */
function crc32(text: string): number {
  let crc = 0xffffffff;
  for (const byte of Buffer.from(text)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

function base62(number: number): string {
  let [rest, text] = [number, ''];
  for (; rest > 0; rest = Math.floor(rest / 62)) text = ALPHABET[rest % 62] + text;
  return text.padStart(6, '0');
}

function valid(): string {
  return generateApiKeyValue('sk-').reveal();
}

test('a value is its prefix, 30 base62 characters and six of CRC-32 over everything before, so that anybody can check it offline', () => {
  for (const prefix of ['sk-', 'acme_live_', '0-']) {
    const value = generateApiKeyValue(prefix).reveal();
    expect(value).toMatch(new RegExp(`^${prefix}[0-9A-Za-z]{36}$`));
    expect(value.slice(-6)).toBe(base62(crc32(value.slice(0, -6))));
    expect(createApiKeyParser(prefix)(value)).toEqual({ kind: 'api_key', value });
    expect(value).toMatch(apiKeyPattern(prefix));
  }
});

test('the checksum is padded with zeros on the left', () => {
  let value = valid();
  while (!value.slice(-6).startsWith('0')) value = valid();
  expect(value.slice(-6)).toBe(base62(crc32(value.slice(0, -6))));
});

test('in a million keys every character is as likely as any other, in each of the thirty places (χ²)', () => {
  const keys = 1_000_000;
  const places = 30;
  const counts = new Uint32Array(places * 128);
  const seen = new Set<string>();
  for (let made = 0; made < keys; made++) {
    const letters = randomLetters(places);
    for (let place = 0; place < places; place++) counts[place * 128 + letters.charCodeAt(place)]! += 1;
    if (made < 100_000) seen.add(letters);
  }
  expect(seen.size).toBe(100_000);

  const statistic = (observed: number[], total: number) => {
    const expected = total / 62;
    return observed.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  };
  const codes = [...ALPHABET].map((letter) => letter.charCodeAt(0));
  const byPlace = Array.from({ length: places }, (_, place) => codes.map((code) => counts[place * 128 + code]!));
  // Nothing else than the alphabet.
  expect(byPlace.flat().reduce((sum, count) => sum + count, 0)).toBe(keys * places);
  // 61 degrees of freedom: 160 is passed by chance once in 10¹⁰; 8 letters likelier by a fifth would give some hundred thousand.
  for (const observed of byPlace) expect(statistic(observed, keys)).toBeLessThan(160);
  const together = codes.map((_, index) => byPlace.reduce((sum, observed) => sum + observed[index]!, 0));
  expect(statistic(together, keys * places)).toBeLessThan(160);
});

test.each<[string, (value: string) => string, 'malformed' | 'checksum']>([
  ['nothing', () => '', 'malformed'],
  ['the prefix alone', () => 'sk-', 'malformed'],
  ['one character too few', (value) => value.slice(0, -1), 'malformed'],
  ['one character too many', (value) => `${value}0`, 'malformed'],
  ['a space before', (value) => ` ${value}`, 'malformed'],
  ['a line feed behind', (value) => `${value}\n`, 'malformed'],
  ['a NUL within', (value) => `${value.slice(0, 10)}\0${value.slice(11)}`, 'malformed'],
  ['another prefix', (value) => `pk-${value.slice(3)}`, 'malformed'],
  ['the prefix in capitals', (value) => `SK-${value.slice(3)}`, 'malformed'],
  ['a character of base64', (value) => `${value.slice(0, 10)}+${value.slice(11)}`, 'malformed'],
  ['a full-width digit', (value) => `${value.slice(0, 10)}１${value.slice(11)}`, 'malformed'],
  ['a letter with an accent', (value) => `${value.slice(0, 10)}é${value.slice(11)}`, 'malformed'],
  ['a megabyte', () => `sk-${'a'.repeat(1_000_000)}`, 'malformed'],
  ['another character in the random part', (value) => replaced(value, 12), 'checksum'],
  ['another character in the checksum', (value) => replaced(value, value.length - 1), 'checksum'],
  ['two neighbours in the wrong order', (value) => swapped(value), 'checksum'],
  ['a checksum of zeros', (value) => value.slice(0, -6).padEnd(value.length, '0'), 'checksum'],
  ['random characters of the right length', () => `sk-${randomLetters(36)}`, 'checksum'],
])('S-067 a value with a flaw is recognised without asking anybody: %s', (_flaw, spoil, kind) => {
  expect(parse(spoil(valid()))).toEqual({ kind });
});

function replaced(value: string, at: number): string {
  return `${value.slice(0, at)}${value[at] === 'x' ? 'y' : 'x'}${value.slice(at + 1)}`;
}

function swapped(value: string): string {
  const at = [...value].findIndex((letter, index) => index >= 3 && letter !== value[index + 1]);
  return value.slice(0, at) + value[at + 1] + value[at] + value.slice(at + 2);
}

test('every single wrong character is found by the checksum', () => {
  const value = valid();
  for (let at = 3; at < value.length; at++) {
    for (const letter of ALPHABET) {
      if (letter === value[at]) continue;
      expect(parse(value.slice(0, at) + letter + value.slice(at + 1)).kind).toBe('checksum');
    }
  }
});

test('a value that was just made prints as a mask wherever text is made of it', () => {
  const made = generateApiKeyValue('sk-');
  const printed = [String(made), `${made}`, JSON.stringify({ made }), inspect({ made }), made.toString()];
  for (const text of printed) expect(text).not.toContain(made.reveal().slice(3, 12));
  expect(Object.keys(made)).toEqual([]);
});

test('S-070 what is stored is SHA-256 of the whole value, and the last four characters', () => {
  const value = generateApiKeyValue('sk-').reveal();
  expect(digestOfApiKey(value)).toHaveLength(32);
  expect(hintOfApiKey(value)).toBe(value.slice(-4));
});

test.each([
  ['sk-', true],
  ['acme_live_', true],
  ['a-', true],
  ['s', false],
  ['sk', false],
  ['-', false],
  ['SK-', false],
  ['sk.', false],
  [`${'a'.repeat(20)}-`, false],
  ['sk- ', false],
  ['', false],
])('a prefix ends in - or _: %j is one: %s', (prefix, expected) => {
  expect(isApiKeyPrefix(prefix)).toBe(expected);
});

test('the example and the pattern in the documentation are right', () => {
  const page = readFileSync(new URL('../../docs/api-keys.md', import.meta.url), 'utf8');
  const example = /^sk-\S+$/m.exec(page)![0];
  expect(parse(example)).toEqual({ kind: 'api_key', value: example });
  const pattern = /`(\\b\S+\\b)`/.exec(page)![1]!;
  expect(`token: ${example}.`.match(new RegExp(pattern))?.[0]).toBe(example);
});
