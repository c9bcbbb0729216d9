import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';

interface Defaults {
  features: Record<string, Record<string, unknown>>;
  [option: string]: unknown;
}

/** Not part of the engine's published surface; only this test reads it, to learn of options that an update adds. */
const { defaults } = (await import('../../node_modules/oidc-provider/lib/helpers/defaults.js' as string)) as {
  defaults: Defaults;
};
const { version } = JSON.parse(readFileSync('node_modules/oidc-provider/package.json', 'utf8'));
const page = readFileSync('src/provider/OPTIONS.md', 'utf8');
const named = (name: string) => page.includes(`\`${name}\``);

test('the page is about the engine that is installed', () => {
  expect(page).toContain(`# Every option of oidc-provider ${version}`);
});

test('every option of the engine is set or left with a reason', () => {
  const options = Object.keys(defaults).filter((name) => name !== 'features');
  expect(options.filter((name) => !page.includes(`| \`${name}\` |`))).toEqual([]);
});

test('every feature of the engine is on or off with a reason', () => {
  expect(Object.keys(defaults.features).filter((name) => !page.includes(`| \`${name}\` |`))).toEqual([]);
});

test('so is every option of a feature that is on', () => {
  const on = Object.keys(defaults.features).filter((name) => page.includes(`| \`${name}\` | on`));
  const options = on.flatMap((name) => Object.keys(defaults.features[name]!));
  expect(options.filter((name) => name !== 'enabled' && !named(name))).toEqual([]);
});
