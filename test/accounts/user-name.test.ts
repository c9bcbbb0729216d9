import { describe, expect, test } from '@jest/globals';
import { foldedText } from '../../src/accounts/spelling.ts';
import { parseUserName, userNameKey } from '../../src/accounts/user-name.ts';

describe('a user name is accepted and kept as typed, compared folded', () => {
  test.each([
    ['ada', 'ada', 'ada'],
    [' Ada.Lovelace-1815_x ', 'Ada.Lovelace-1815_x', 'ada.lovelace-1815_x'],
    ['김지우', '김지우', '김지우'],
    ['김Jiwoo', '김Jiwoo', '김jiwoo'],
    ['やまだ太郎', 'やまだ太郎', 'やまだ太郎'],
    ['Иван', 'Иван', 'иван'],
    ['ＡＤＡ', 'ADA', 'ada'],
    ['Straße', 'Straße', 'strasse'],
    ['οδοσ', 'οδοσ', 'οδος'],
    ['नमस्ते', 'नमस्ते', 'नमस्ते'],
  ])('%s', (typed, text, key) => {
    expect(parseUserName(typed)).toEqual({ kind: 'valid', userName: { text, key } });
  });
});

describe('a user name is refused', () => {
  test.each([
    ['nothing', '  ', 'missing'],
    ['a zero-width space', 'ad\u200ba', 'invisible-characters'],
    ['a direction mark', 'ada\u202e', 'invisible-characters'],
    ['a soft hyphen', 'a\u00adda', 'invisible-characters'],
    ['a Hangul filler', 'ada\u3164x', 'invisible-characters'],
    ['a variation selector', 'ada\ufe0f', 'invisible-characters'],
    ['a NUL', 'ada\0', 'invisible-characters'],
    ['a private character', 'ada\ue000', 'invisible-characters'],
    ['half a character', 'ada\ud800', 'invisible-characters'],
    ['65 characters', 'a'.repeat(65), 'too-long'],
    ['a character that unfolds into many', '\ufdfa'.repeat(10), 'too-long'],
    ['a space inside', 'ada lovelace', 'invalid'],
    ['an address', 'ada@example.com', 'invalid'],
    ['an at sign of full width', 'ada＠example.com', 'invalid'],
    ['a dot in front', '.ada', 'invalid'],
    ['a combining mark in front', '\u0301ada', 'invalid'],
    ['markup', '<b>', 'invalid'],
    ['an emoji', 'ada😀', 'invalid'],
    ['a Cyrillic а among Latin letters', 'аda', 'mixed-scripts'],
    ['a Greek ο among Latin letters', 'bοb', 'mixed-scripts'],
    ['Cyrillic and Hangul', 'Иван김', 'mixed-scripts'],
  ])('because of %s', (_case, typed, reason) => {
    expect(parseUserName(typed)).toMatchObject({ kind: 'refused', refusal: { field: 'userName', reason } });
  });
});

test('S-129 every spelling of a name has one key', () => {
  const spellings = ['Café', 'CAFÉ', 'cafe\u0301', 'ＣＡＦÉ', ' café '];
  expect(new Set(spellings.map(userNameKey))).toEqual(new Set(['café']));
});

test('folding any character twice, or in another case or normal form, gives the same', () => {
  const different: string[] = [];
  for (let code = 0; code < 0x20000; code++) {
    if (code >= 0xd800 && code < 0xe000) continue;
    const character = String.fromCodePoint(code);
    const key = foldedText(character);
    const others = [key, character.toUpperCase(), character.toLowerCase(), character.normalize('NFD')];
    if (others.some((other) => foldedText(other) !== key)) different.push(code.toString(16));
  }
  expect(different).toEqual([]);
});
