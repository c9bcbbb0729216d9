import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
// @ts-expect-error plain JavaScript, which also runs before anything is compiled
import { configurationPage, environmentExample, errorsPage } from '../../scripts/docs.mjs';
import { sectionsWith, type Variable, variables } from '../../src/config/schema.ts';
import { errorKinds } from '../../src/platform/errors.ts';
import { providers } from '../../src/upstreams/registry.ts';

const sections = sectionsWith(providers);
const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

test.each([
  ['docs/configuration.md', () => configurationPage(sections)],
  ['.env.example', () => environmentExample(sections)],
  ['docs/errors.md', () => errorsPage(errorKinds)],
])('%s is what `npm run docs` would write', (path, render) => {
  expect(read(path)).toBe(render());
});

test('every section is read, and no name stands in two', () => {
  const names = Object.values(sections).flatMap((section) => Object.keys(section));
  expect(names).toEqual(expect.arrayContaining(Object.keys(variables)));
  expect(names).toEqual([...new Set(names)]);
  expect(Object.values(sectionsWith([])).flatMap((section) => Object.keys(section))).toEqual(Object.keys(variables));
});

test('every default is accepted by its own schema', () => {
  const defaults = Object.entries(variables).filter(
    ([, { default: value }]: [string, Variable]) => value !== undefined,
  );
  expect(defaults.length).toBeGreaterThan(10);
  for (const [name, variable] of defaults as [string, Variable][]) {
    expect([name, variable.schema.safeParse(variable.default!).success]).toEqual([name, true]);
  }
});

test('commands in the docs leave nothing in the environment that our own commands after them refuse', () => {
  const pages = ['README.md', ...readdirSync(new URL('../../docs/', import.meta.url)).map((file) => `docs/${file}`)];
  const blocks = pages
    .filter((page) => page.endsWith('.md'))
    .flatMap((page) => [...read(page).matchAll(/^```sh\n(.*?)^```/gms)].map(([, commands]) => commands!));
  expect(blocks.length).toBeGreaterThan(10);
  const known = Object.values(sections).flatMap((section) => Object.keys(section));
  const left = blocks
    .flatMap((commands) => [...commands.matchAll(/^export (.*)$/gm)])
    .flatMap(([, names]) => names!.match(/\b(?:DAEMUN|DANGEROUSLY)_\w+(?==)/g) ?? []);
  expect(left.filter((name) => !known.includes(name.replace(/_FILE$/, '')))).toEqual([]);
});
