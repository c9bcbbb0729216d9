import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { INTERACTIONS_FOLDER } from '../../src/interactions/screens.ts';
import { SCREEN_NAMES } from '../../src/interactions/views.ts';
import { fixtures, LOCALES, templateSources, testScreens } from './fixtures.ts';

const screens = testScreens();
const catalogueKeys = Object.keys(JSON.parse(readFileSync(join(INTERACTIONS_FOLDER, 'locales/en.json'), 'utf8')));

const cases = fixtures.flatMap((fixture) => LOCALES.map((locale) => ({ ...fixture, locale })));

test('every screen has a sample view', () => {
  const files = readdirSync(join(INTERACTIONS_FOLDER, 'fixtures')).map((file) => file.replace('.json', ''));
  expect(files.sort()).toEqual([...SCREEN_NAMES].sort());
});

describe.each(cases)('$screen, $sample, $locale', ({ screen, view, locale }) => {
  const html = screens.html(screen, view, { locale, path: '/somewhere' });

  test('says its language and its title', () => {
    expect(html).toContain(`<html lang="${locale}">`);
    expect(/<title>(.+) · Daemun<\/title>/.exec(html)?.[1]).toBeTruthy();
    expect(html.match(/<h1[ >]/g)).toHaveLength(1);
  });

  test('has put everything into words', () => {
    const text = html.replace(/<template[\s\S]*?<\/template>/g, '').replace(/<[^>]+>/g, ' ');
    expect(text).not.toMatch(/\bundefined\b|\bnull\b|\bNaN\b|\[object /);
    for (const key of catalogueKeys.filter((key) => key.includes('.'))) expect(text.split(/\s+/)).not.toContain(key);
  });

  test('S-168 brings no script and no style of its own', () => {
    expect(html).not.toMatch(/<style|<script(?! src="\/assets\/)|\son[a-z]+=|\sstyle=|javascript:/i);
  });

  test('S-023 loads only files that are here', () => {
    const loaded = [...html.matchAll(/<(?:link|script|img)[^>]+(?:href|src)="([^"]+)"/g)].map((match) => match[1]!);
    expect(loaded.length).toBeGreaterThan(3);
    for (const url of loaded) {
      if (url.startsWith('data:image/')) continue;
      expect(url).toMatch(/^\/assets\//);
      expect(screens.assets.find(url.slice('/assets/'.length))?.immutable).toBe(true);
    }
  });

  test('S-155 sends a token with every form of ours', () => {
    const forms = html.match(/<form[^>]*method="post"[\s\S]*?<\/form>/g) ?? [];
    for (const form of forms.filter((form) => !form.includes('op.logoutForm'))) {
      expect(form).toContain('<input type="hidden" name="csrf" value="c2FtcGxlLXRva2Vu">');
    }
  });
});

test('S-118 the sign-in form keeps the names that password managers and test suites know', () => {
  const { view } = fixtures.find(({ screen, sample }) => screen === 'login' && sample === 'first-party')!;
  const html = screens.html('login', view as never, { locale: 'en' });
  expect(html).toMatch(/<input[^>]+name="email"[^>]+autocomplete="username"/);
  expect(html).toMatch(/<input[^>]+name="password"[^>]+type="password"[^>]+autocomplete="current-password"/);
  const form = /<form class="form"[\s\S]*?<\/form>/.exec(html)![0];
  expect(form.match(/type="submit"/g)).toHaveLength(1);
});

test('S-118 a new password is asked for as such', () => {
  for (const screen of ['setup', 'set-password'] as const) {
    const { view } = fixtures.find((fixture) => fixture.screen === screen)!;
    expect(screens.html(screen, view as never, { locale: 'en' })).toContain('autocomplete="new-password"');
  }
});

test('S-118 nothing that a page loads or says keeps anybody from pasting a password', () => {
  const folder = join(INTERACTIONS_FOLDER, 'assets');
  const scripts = readdirSync(folder)
    .filter((file) => /\.(?:js|css)$/.test(file))
    .map((file) => readFileSync(join(folder, file), 'utf8'));
  const pages = cases.map(({ screen, view, locale }) => screens.html(screen, view as never, { locale }));
  expect([scripts.length > 0, pages.length > 0]).toEqual([true, true]);
  for (const text of [...scripts, ...pages]) {
    // Neither a handler, nor what could stand for one: keys, drops, and what is typed before it arrives.
    expect(text).not.toMatch(/on(?:paste|beforeinput|keydown|drop|contextmenu)\b|user-select:\s*none/);
    expect(text).not.toMatch(/['"](?:paste|beforeinput|keydown|drop|contextmenu)['"]/);
    expect(text).not.toMatch(/autocomplete="(?:off|one-time-code|nope)"/);
  }
});

test('consent can be given and refused by name', () => {
  const { view } = fixtures.find(({ screen }) => screen === 'consent')!;
  const html = screens.html('consent', view as never, { locale: 'en' });
  expect(html).toContain('name="decision" value="allow"');
  expect(html).toContain('name="decision" value="deny"');
});

test('a refused sign-in keeps the name, forgets the password, and says why to screen readers', () => {
  const { view } = fixtures.find(({ screen, sample }) => screen === 'login' && sample === 'refused')!;
  const html = screens.html('login', view as never, { locale: 'en' });
  expect(html).toContain('value="jiwoo@maru.example"');
  expect(html).toMatch(/role="alert" id="problems"/);
  const password = /<input[^>]+name="password"[^>]*>/.exec(html)![0];
  expect(password).not.toContain(' value=');
  expect(password).toContain('aria-describedby="problems"');
  expect(password).toContain(' autofocus');
});

test('the first field with a problem has the focus and names its problem', () => {
  const { view } = fixtures.find(({ screen, sample }) => screen === 'setup' && sample === 'problems')!;
  const html = screens.html('setup', view as never, { locale: 'en' });
  const email = /<input[^>]+name="email"[^>]*>/.exec(html)![0];
  expect(email).toContain('aria-invalid="true" aria-describedby="email-problem" autofocus');
  expect(html).toContain('id="email-problem"');
  expect(html.match(/ autofocus/g)).toHaveLength(1);
});

test('templates print unescaped only what is markup by nature', () => {
  const raw = templateSources().flatMap(({ name, source }) =>
    [...source.matchAll(/<%~\s*([\s\S]*?)\s*%>/g)].map((match) => `${name}: ${match[1]}`),
  );
  const markup =
    /^[\w-]+\.eta: (?:include\(|it\.html\()|^layout\.eta: it\.body$|^sign-out\.eta: it\.form$|^icon\.eta: icons\[it\.icon\] \?\? icons\.key$/;
  expect(raw.filter((line) => !markup.test(line))).toEqual([]);
});
