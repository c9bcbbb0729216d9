import { describe, expect, test } from '@jest/globals';
import { fixtures, LOCALES, testScreens } from './fixtures.ts';

const screens = testScreens();

const INPUTS = [
  '"><script>alert(1)</script>',
  "' onmouseover='alert(1)",
  '</title><svg onload=alert(1)>',
  '<img src=x onerror=alert(1)>',
  '{{7*7}}<%= 7*7 %>',
  '</textarea></template><b>',
];

/** Chosen by code, never by anybody's input. `form` is the engine's own markup. */
const OURS = [
  ...['key', 'icon', 'form', 'formId', 'at', 'state'],
  ...['createdAt', 'lastUsedAt', 'expiresAt', 'revokedAt', 'worksUntil', 'until'],
];

function withInput(value: unknown, input: string, name = ''): unknown {
  if (typeof value === 'string') return OURS.includes(name) ? value : input;
  if (Array.isArray(value)) return value.map((item) => withInput(item, input, name));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, withInput(member, input, key)]));
}

describe.each(INPUTS)('S-025 S-106 %s', (input) => {
  test.each(fixtures)('is text on the screen $screen, $sample', ({ screen, view }) => {
    for (const locale of LOCALES) {
      const html = screens.html(screen, withInput(view, input) as never, { locale, path: `/${input}` });
      expect(html).not.toContain(input);
      expect(html).not.toMatch(/<img src=x|<svg onload|<script>|onmouseover='/);
    }
  });
});

test('what people type is inside quotes, whatever it is', () => {
  const { view } = fixtures.find(({ screen }) => screen === 'login')!;
  const html = screens.html('login', { ...view, values: { email: '" autofocus onfocus="alert(1)' } } as never, {
    locale: 'en',
  });
  expect(html).toContain('value="&quot; autofocus onfocus=&quot;alert(1)"');
});
