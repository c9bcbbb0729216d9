import { expect, test } from '@jest/globals';
import { preparedWords } from '../../src/interactions/error.ts';
import { INTERACTIONS_FOLDER } from '../../src/interactions/screens.ts';
import { loadMessages } from '../../src/platform/http/messages.ts';

test('what is said when there is no time to make a page is there in every language, English first', () => {
  const messages = loadMessages({ folders: [`${INTERACTIONS_FOLDER}/locales`], fallback: 'en' });
  const { busy, tooSlow } = preparedWords(messages);
  expect(busy).toEqual([
    { locale: 'en', title: 'We’ll be right back', text: expect.stringContaining('busy') },
    { locale: 'ko', title: '지금은 이용하기 어려워요', text: expect.stringContaining('요청이 많거나') },
  ]);
  expect(tooSlow.map(({ locale, title }) => [locale, title])).toEqual([
    ['en', 'That took too long'],
    ['ko', '시간이 너무 오래 걸렸어요'],
  ]);
});
