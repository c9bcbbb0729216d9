import { expect, test } from '@jest/globals';
import { mailHtml } from '../../../src/platform/mail/mail-html.ts';

const message = {
  subject: 'Your password was changed',
  text: 'Hello Ada,\n\nFirst line\nsecond line\n\nhttps://id.example.com/set-password/a_b?c=d&e=f\n\nGoodbye.',
  language: 'en',
};

/** What a person reads. */
function wordsOf(html: string): string {
  const body = html.slice(html.indexOf('<h1'), html.indexOf('</body>'));
  const text = body
    .replace(/<br>\n/g, '\n')
    .replace(/<\/(?:p|h1)>\n?/g, '\n\n')
    .replace(/<[^>]*>/g, '');
  return text
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&quot;/g, '"')
    .replace(/&#39;/g, "'")
    .replace(/&amp;/g, '&')
    .trim();
}

test('it says what the text says, in the same words, under the subject', () => {
  expect(wordsOf(mailHtml(message))).toBe(`${message.subject}\n\n${message.text}`);
});

test('an address that stands alone is a link to where it says; words that somebody chose are none', () => {
  const link = 'https://id.example.com/set-password/a_b?c=d&amp;e=f';
  expect(mailHtml(message)).toContain(`<p style="margin:0 0 16px"><a href="${link}">${link}</a></p>`);
  expect(mailHtml({ ...message, text: 'Hello https://evil.example.com,' })).not.toContain('<a ');
});

test('S-146 what people are called is text, whatever it looks like', () => {
  const name = `<img src="https://evil.example.com/x.png" onerror='alert(1)'> & "co"`;
  const html = mailHtml({ subject: name, text: `Hello ${name},`, language: '"><script>' });
  expect(html).not.toMatch(/<img|<script/);
  expect(wordsOf(html)).toBe(`${name}\n\nHello ${name},`);
});

test('it loads nothing from anywhere and leaves light and dark to the reader', () => {
  const html = mailHtml(message);
  expect(html).not.toMatch(/\bsrc=|url\(|<link|@import|<script|<img/);
  expect(html).toContain('<meta name="color-scheme" content="light dark">');
  expect(html).not.toMatch(/(?<!-)\bcolor\s*:|background|#[0-9a-f]{3,6}\b/i);
});

test('programs that read aloud are told the language, the title and the heading', () => {
  const html = mailHtml({ ...message, language: 'ko' });
  expect(html).toContain('<html lang="ko">');
  expect(html).toContain(`<title>${message.subject}</title>`);
  expect(html).toMatch(/role="article" aria-labelledby="subject" lang="ko"/);
  expect(html.match(/<h1 id="subject"/g)).toHaveLength(1);
  expect(mailHtml({ subject: 'a', text: 'b' })).not.toContain('lang=');
});
