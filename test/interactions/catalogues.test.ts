import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { IntlMessageFormat } from 'intl-messageformat';
import { INTERACTIONS_FOLDER } from '../../src/interactions/screens.ts';
import { templateSources } from './fixtures.ts';

type Catalogue = Record<string, string>;

function catalogue(locale: string): Catalogue {
  return JSON.parse(readFileSync(join(INTERACTIONS_FOLDER, 'locales', `${locale}.json`), 'utf8'));
}

const en = catalogue('en');
const ko = catalogue('ko');
const keys = Object.keys(en);
const code = ['interactions', 'console'].flatMap((folder) => {
  const path = join(INTERACTIONS_FOLDER, '../src', folder);
  return readdirSync(path)
    .filter((file) => file.endsWith('.ts'))
    .map((name) => ({ name, source: readFileSync(join(path, name), 'utf8') }));
});

interface Element {
  type: number;
  value: string;
  options?: Record<string, { value: Element[] }>;
  children?: Element[];
}

const LITERAL = 0;
const POUND = 7;

/** Arguments and tags, sorted. */
function argumentsOf(text: string): string[] {
  const found = new Set<string>();
  const walk = (elements: Element[]) => {
    for (const { type, value, options, children } of elements) {
      if (type !== LITERAL && type !== POUND) found.add(children ? `<${value}>` : value);
      for (const option of Object.values(options ?? {})) walk(option.value);
      if (children) walk(children);
    }
  };
  walk(new IntlMessageFormat(text, 'en').getAst() as Element[]);
  return [...found].sort();
}

test('Korean and English have the same messages', () => {
  expect(Object.keys(ko).sort()).toEqual([...keys].sort());
});

test.each(keys)('%s takes the same arguments in both languages', (key) => {
  expect(argumentsOf(ko[key]!)).toEqual(argumentsOf(en[key]!));
});

test('markup in messages is only what translators may use', () => {
  const tags = [...Object.values(en), ...Object.values(ko)].flatMap((text) => text.match(/<[^>]*>/g) ?? []);
  expect(new Set(tags)).toEqual(new Set(['<b>', '</b>']));
});

test('Korean is Korean: only names and technical words stay as they are', () => {
  const untranslated = Object.entries(ko)
    .filter(([, text]) => !/[가-힣]/.test(text))
    .map(([key]) => key);
  expect(untranslated).toEqual(['scope.claims.detail']);
});

test('Korean speaks to people in one tone', () => {
  const blunt = Object.entries(ko).filter(([, text]) => /(?:한다|된다|이다|하라|습니다|합니다|니다)\.?$/.test(text));
  expect(blunt).toEqual([]);
});

describe('keys', () => {
  const asked = templateSources().flatMap(({ name, source }) =>
    [...source.matchAll(/\bit\.(?:t|html)\(([^()]*(?:\([^()]*\))?[^()]*)\)/g)].flatMap((match) =>
      [...match[1]!.split(/,\s*\{/)[0]!.matchAll(/'([a-z][\w.-]*)'/g)].map((literal) => ({ name, key: literal[1]! })),
    ),
  );
  const literals = new Set(
    [...templateSources(), ...code].flatMap(({ source }) =>
      [...source.matchAll(/'([\w.-]+)'/g)].map((match) => match[1]!),
    ),
  );

  test('the templates ask for messages at all', () => {
    expect(asked.length).toBeGreaterThan(50);
  });

  test('every message a template asks for exists', () => {
    expect(asked.filter(({ key }) => !Object.hasOwn(en, key))).toEqual([]);
  });

  test('every message the code names exists', () => {
    const named = code.flatMap(({ name, source }) =>
      [...source.matchAll(/\bkey: '([^']+)'/g)].map((match) => `${name}: ${match[1]}`),
    );
    expect(named.length).toBeGreaterThan(30);
    expect(named.filter((line) => !Object.hasOwn(en, line.split(': ')[1]!))).toEqual([]);
  });

  test('no message is left over', () => {
    expect(keys.filter((key) => !literals.has(key))).toEqual([]);
  });
});
