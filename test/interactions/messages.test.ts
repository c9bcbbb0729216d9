import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { loadMessages } from '../../src/platform/http/messages.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'daemun-messages-'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, catalogue: unknown, sub = 'base'): string {
  mkdirSync(join(folder, sub), { recursive: true });
  writeFileSync(join(folder, sub, name), typeof catalogue === 'string' ? catalogue : JSON.stringify(catalogue));
  return join(folder, sub);
}

function english(catalogue: Record<string, string>) {
  return loadMessages({ folders: [write('en.json', catalogue)], fallback: 'en' }).translator('en');
}

describe('a translator', () => {
  test('fills in arguments and plurals', () => {
    const en = english({ tries: '{count, plural, one {# try} other {# tries}} left, {name}' });
    expect(en.text('tries', { count: 1, name: 'Kim' })).toBe('1 try left, Kim');
    expect(en.text({ key: 'tries', args: { count: 1200, name: 'Kim' } })).toBe('1,200 tries left, Kim');
  });

  test.each([
    [1, '1 second'],
    [59, '59 seconds'],
    [60, '1 minute'],
    [90, '90 seconds'],
    [121, '3 minutes'],
    [900, '15 minutes'],
    [3600, '1 hour'],
    [86_400, '1 day'],
    [30 * 86_400, '30 days'],
  ])('puts %d seconds into words', (seconds, words) => {
    expect(english({ wait: '{time}' }).text('wait', { time: { seconds } })).toBe(words);
  });

  test('enumerates, translating what is a message itself', () => {
    const en = english({ all: 'See {list}', name: 'your name' });
    expect(en.text('all', { list: { list: [{ key: 'name' }, 'tree', 'river'] } })).toBe(
      'See your name, tree, and river',
    );
  });

  test('keeps markup of the message and escapes everything else', () => {
    const en = english({ hello: 'A & B <b>{name}</b> "quoted"' });
    expect(en.html('hello', { name: '<i>&' })).toBe('A &amp; B <strong>&lt;i&gt;&amp;</strong> &quot;quoted&quot;');
    expect(en.text('hello', { name: '<i>&' })).toBe('A & B <i>& "quoted"');
  });

  test('falls back to English for a missing message, and to its name for an unknown one', () => {
    const base = write('en.json', { here: 'Here', there: 'There' });
    write('ko.json', { here: '여기' });
    const ko = loadMessages({ folders: [base], fallback: 'en' }).translator('ko');
    expect([ko.text('here'), ko.text('there'), ko.text('nowhere')]).toEqual(['여기', 'There', 'nowhere']);
  });
});

test('a later folder replaces single messages and adds languages', () => {
  const base = write('en.json', { one: 'One', two: 'Two' });
  const own = write('en.json', { two: 'Second' }, 'own');
  write('ja.json', { one: '一' }, 'own');
  const messages = loadMessages({ folders: [base, own, join(folder, 'absent')], fallback: 'en' });
  expect(messages.locales).toEqual(['en', 'ja']);
  expect([messages.translator('en').text('one'), messages.translator('en').text('two')]).toEqual(['One', 'Second']);
  expect([messages.translator('ja').text('one'), messages.translator('ja').text('two')]).toEqual(['一', 'Second']);
});

test('everything that is wrong with the catalogues is said at once', () => {
  const base = write('en.json', { fine: 'Fine', open: 'open {brace', number: 3 as never });
  write('ko.json', '{ not json');
  write('fr.json', { plural: '{count, plural, one {un}}' });
  const failure = () => loadMessages({ folders: [base], fallback: 'de' });
  for (const part of ['en.json', 'ko.json', 'fr.json: plural', 'no de.json']) expect(failure).toThrow(part);
});

test.each([
  [['ko'], 'ko'],
  [['ko-KR'], 'ko'],
  [['KO-kr-x-private'], 'ko'],
  [['fr', 'de-CH', 'en-GB', 'ko'], 'en'],
  [['fr'], undefined],
  [['k'], undefined],
  [[''], undefined],
  [[], undefined],
])('the language tags %j lead to %s', (tags, locale) => {
  const base = write('en.json', {});
  write('ko.json', {});
  expect(loadMessages({ folders: [base], fallback: 'en' }).match(tags)).toBe(locale);
});
