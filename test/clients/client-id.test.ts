import { expect, test } from '@jest/globals';
import { chosenClientIdProblem, generateClientId } from '../../src/clients/client-id.ts';

test('S-050 a generated client id is random and cannot be a person', () => {
  const ids = Array.from({ length: 1000 }, generateClientId);
  expect(new Set(ids).size).toBe(1000);
  for (const id of ids) expect(chosenClientIdProblem(id)).toBeUndefined();
});

test.each([
  ['a UUID', '0192f0a0-5b6c-7d3e-8f10-aabbccddeeff'],
  ['a UUID in capitals', '0192F0A0-5B6C-7D3E-8F10-AABBCCDDEEFF'],
  ['a UUID without hyphens', '0192f0a05b6c7d3e8f10aabbccddeeff'],
  ['a URI, which could be an API', 'https://api.example.com'],
  ['text with a space', 'my app'],
  ['text with a colon, which ends a user name in basic authentication', 'my:app'],
  ['letters that are not ASCII', '앱-하나'],
  ['a control character', 'my\u0000app'],
  ['shorter than three characters', 'ab'],
  ['longer than 64 characters', 'a'.repeat(65)],
  ['empty', ''],
  ['led by a dot', '.hidden'],
])('S-049 S-050 an administrator cannot choose a client id that is %s', (_, id) => {
  expect(chosenClientIdProblem(id)).toEqual(expect.any(String));
});

test.each(['notes', 'notes-web_2.example~1', 'A'.repeat(64)])('an administrator may choose the client id %s', (id) => {
  expect(chosenClientIdProblem(id)).toBeUndefined();
});
