import { expect, test } from '@jest/globals';
import { acceptedLocale } from '../../../src/platform/http/accepted-locale.ts';

test.each([
  [undefined, 'en'],
  ['', 'en'],
  ['ko', 'ko'],
  ['KO-kr', 'ko'],
  ['ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7', 'ko'],
  ['en;q=0.5, ko;q=0.8', 'ko'],
  ['en, ko', 'en'],
  ['ko, en', 'ko'],
  ['kok', 'en'],
  ['fr, ko;q=0.1', 'ko'],
  ['ko;q=0, en', 'en'],
  ['ko;q=0', 'en'],
  ['*', 'en'],
  ['*;q=0.1, ko;q=0.2', 'ko'],
  ['pt-br', 'pt-BR'],
  ['pt', 'pt-BR'],
  // What is named as it is here counts as it says, whatever a variant of it says.
  ['en-GB, ko;q=0.9, en;q=0.8', 'ko'],
  ['ko;q=nonsense', 'en'],
  [`${'fr,'.repeat(5_000)}ko`, 'en'],
  // What is cut off there is not read as if it were liked most.
  [`en;q=0.9,${'fr,'.repeat(63)}ko;q=0.1`, 'en'],
  ['-'.repeat(5_000), 'en'],
])('of %j a reader gets %s', (accepted, locale) => {
  expect(acceptedLocale(accepted, ['en', 'ko', 'pt-BR'])).toBe(locale);
});
