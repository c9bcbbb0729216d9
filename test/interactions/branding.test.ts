import { describe, expect, test } from '@jest/globals';
import { brandingStylesheet, contrast, parseColor } from '../../src/interactions/branding.ts';
import { loadScreens } from '../../src/interactions/screens.ts';

const SURFACES = { light: ['#ffffff', '#f6f5f1'], dark: ['#181b1a', '#101211'] };

/** Loud, pale, dark and grey: whatever somebody calls their colour. */
const COLORS = [
  '#1c6b58',
  '#ffff00',
  '#ffffff',
  '#000000',
  '#0a7cff',
  '#ff0000',
  '#808080',
  '#f5e9d0',
  '#123456',
  '#00ff88',
];

function variables(css: string): { light: Record<string, string>; dark: Record<string, string> } {
  const [light, dark] = css
    .split('@media')
    .map((part) => Object.fromEntries([...part.matchAll(/--([\w-]+):(#\w+)/g)].map((m) => [m[1], m[2]])));
  return { light: light!, dark: dark! };
}

function ratio(one: string, other: string): number {
  return contrast(parseColor(one), parseColor(other));
}

describe.each(COLORS)('the accent colour %s', (accentColor) => {
  const schemes = variables(brandingStylesheet({ name: 'Hanok', accentColor }));

  test.each(['light', 'dark'] as const)('can be read in the %s scheme', (scheme) => {
    const colors = schemes[scheme];
    expect(ratio(colors['on-accent']!, colors.accent!)).toBeGreaterThanOrEqual(4.5);
    expect(ratio(colors['on-accent']!, colors['accent-strong']!)).toBeGreaterThanOrEqual(4.5);
    for (const surface of SURFACES[scheme]) {
      expect(ratio(colors['accent-text']!, surface)).toBeGreaterThanOrEqual(4.5);
      expect(ratio(colors.accent!, surface)).toBeGreaterThanOrEqual(3);
    }
  });
});

test('a colour that is readable as it is stays as it is', () => {
  const { light } = variables(brandingStylesheet({ name: 'Hanok', accentColor: '#1c6b58' }));
  expect(light).toMatchObject({ accent: '#1c6b58', 'accent-text': '#1c6b58', 'on-accent': '#ffffff' });
});

test('each scheme may have its own colour', () => {
  const css = brandingStylesheet({ name: 'Hanok', accentColor: '#123456', accentColorDark: '#88ccff' });
  const { light, dark } = variables(css);
  expect([light.accent, dark.accent]).toEqual(['#123456', '#88ccff']);
});

test.each(['red', '#fff', '#12345g', '#1c6b58;}body{display:none', 'url(x)', ''])('%j is no colour', (accentColor) => {
  if (accentColor === '') return expect(brandingStylesheet({ name: 'Hanok', accentColor })).toBe('');
  return expect(() => brandingStylesheet({ name: 'Hanok', accentColor })).toThrow('is not a colour');
});

test('a page loads the generated stylesheet after ours, under the hash of its content', () => {
  const screens = loadScreens({ branding: { name: 'Hanok', accentColor: '#123456' }, secure: true });
  const html = screens.html('signed-out', {}, { locale: 'en' });
  const sheets = [...html.matchAll(/rel="stylesheet" href="([^"]+)"/g)].map((match) => match[1]!);
  expect(sheets.at(-1)).toMatch(/^\/assets\/branding\.[0-9a-f]{16}\.css$/);
  expect(screens.assets.find(sheets.at(-1)!.slice(8))!.asset.body.toString()).toContain('--accent:#123456');
});

test('without colours there is no such stylesheet', () => {
  const screens = loadScreens({ branding: { name: 'Hanok' }, secure: true });
  expect(screens.html('signed-out', {}, { locale: 'en' })).not.toContain('branding');
});

test('a logo takes the place of our own mark', () => {
  const screens = loadScreens({ branding: { name: 'Hanok', logoUrl: '/assets/logo.svg' }, secure: true });
  const html = screens.html('signed-out', {}, { locale: 'en' });
  expect(html).toContain('<img src="/assets/logo.svg" alt="">');
  expect(html).not.toMatch(/class="(?:mark|roof)"/);
});
