import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { loadScreens } from '../../src/interactions/screens.ts';
import { loadTemplates } from '../../src/platform/http/render.ts';

let base: string;
let own: string;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'daemun-templates-'));
  own = mkdtempSync(join(tmpdir(), 'daemun-templates-'));
});

afterEach(() => {
  for (const folder of [base, own]) rmSync(folder, { recursive: true, force: true });
});

test('a template prints escaped, inside its layout, with its parts', () => {
  writeFileSync(join(base, 'layout.eta'), '<html><%= it.title %>|<%~ it.body %></html>');
  writeFileSync(join(base, 'part.eta'), '[<%= it.name %>]');
  writeFileSync(
    join(base, 'page.eta'),
    "<% layout('layout', { title: 'T' }) %><%~ include('part', { name: it.name }) %>",
  );
  const templates = loadTemplates({ folders: [base], required: ['page'] });
  expect(templates.render('page', { name: '<b>' })).toBe('<html>T|[&lt;b&gt;]</html>');
});

test('a file in a later folder replaces the one of the same name', () => {
  writeFileSync(join(base, 'page.eta'), 'ours');
  writeFileSync(join(base, 'other.eta'), 'other');
  writeFileSync(join(own, 'page.eta'), 'theirs');
  const templates = loadTemplates({ folders: [base, own], required: [] });
  expect([templates.render('page', {}), templates.render('other', {})]).toEqual(['theirs', 'other']);
});

test('everything that is wrong with the templates is said at once', () => {
  writeFileSync(join(base, 'broken.eta'), '<% if (it.open) { %>never closed');
  writeFileSync(join(base, 'unclosed.eta'), '<%= it.name ');
  writeFileSync(join(base, 'lost.eta'), "<%~ include('nowhere') %>");
  const load = () => loadTemplates({ folders: [base, join(base, 'absent')], required: ['login'] });
  for (const part of [
    'broken.eta',
    'unclosed.eta',
    'uses the template "nowhere"',
    'login.eta is missing',
    'absent does not exist',
  ])
    expect(load).toThrow(part);
});

test('a template asks for nothing on disk while it is rendered', () => {
  writeFileSync(join(base, 'page.eta'), '<%~ include(it.file) %>');
  const templates = loadTemplates({ folders: [base], required: [] });
  for (const file of ['/etc/hostname', '../package.json', './page.eta']) {
    expect(() => templates.render('page', { file })).toThrow();
  }
});

test('an operator replaces a screen, a message and the look by a folder of their own', () => {
  writeFileSync(
    join(own, 'signed-out.eta'),
    "<% layout('layout', { title: it.t('signed-out.title') }) %><h1>Bye from <%= it.brand.name %></h1>",
  );
  const screens = loadScreens({ branding: { name: 'Hanok' }, overrides: own, secure: true });
  const html = screens.html('signed-out', {}, { locale: 'en' });
  expect(html).toContain('<h1>Bye from Hanok</h1>');
  expect(html).toContain('<title>You’re signed out · Hanok</title>');
});

test('an operator’s broken template stops the start', () => {
  writeFileSync(join(own, 'login.eta'), '<% for %>');
  expect(() => loadScreens({ branding: { name: 'Hanok' }, overrides: own, secure: true })).toThrow('login.eta');
});

test('a folder of the operator’s that is not there stops the start', () => {
  expect(() => loadScreens({ branding: { name: 'Hanok' }, overrides: join(own, 'absent'), secure: true })).toThrow(
    'absent',
  );
});

test('an operator replaces pages of the console in a folder of the same name', () => {
  mkdirSync(join(own, 'console'));
  writeFileSync(
    join(own, 'console', 'account-sign-in.eta'),
    "<% layout('layout', { title: 'Ours' }); %><h1>Come in</h1>",
  );
  const screens = loadScreens({ branding: { name: 'Hanok' }, overrides: own, secure: true });
  const message = { key: 'login.title' };
  const view = { title: message, text: message, submit: message, signInUrl: '/' };
  expect(screens.html('account-sign-in', view, { locale: 'en' })).toContain('<h1>Come in</h1>');
});
