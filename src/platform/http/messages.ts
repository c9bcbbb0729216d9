import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { IntlMessageFormat } from 'intl-messageformat';

/** A number, a text, a moment, or what is put into words first: a length of time, an enumeration. */
export type MessageArgument = string | number | Date | { seconds: number } | { list: (string | Message)[] };

/** A message to be put into words later, in the reader's language. */
export interface Message {
  key: string;
  args?: Record<string, MessageArgument>;
}

/** Speaks one language. */
export interface Translator {
  locale: string;
  /** Plain text; the template escapes it. */
  text(message: string | Message, args?: Message['args']): string;
  /** HTML in which only the tags `b` and `code` of the message itself are markup: every argument is escaped. */
  html(message: string | Message, args?: Message['args']): string;
  date(moment: Date): string;
}

export interface Messages {
  /** Those with a catalogue, the fallback first. */
  locales: string[];
  translator(locale: string): Translator;
  /** The locale for the first language tag that has one (RFC 4647 section 3.4, lookup). */
  match(tags: readonly string[]): string | undefined;
}

/** Message tags and the element each becomes. */
const MARKUP = { b: 'strong', code: 'code' } as const;

type Part = string | Markup;

interface Markup {
  element: string;
  parts: Part[];
}

/**
 * Reads `<locale>.json` catalogues of ICU messages; a later folder replaces single messages of an earlier one or adds a language.
 * @throws when a file or a message cannot be read, naming all of them
 */
export function loadMessages({ folders, fallback }: { folders: string[]; fallback: string }): Messages {
  const problems: string[] = [];
  const catalogues = new Map<string, Map<string, IntlMessageFormat>>();
  for (const file of folders.flatMap(catalogueFiles)) {
    const locale = basename(file, '.json');
    const catalogue = catalogues.get(locale) ?? new Map();
    catalogues.set(locale, catalogue);
    for (const [key, text] of readCatalogue(file, problems)) {
      try {
        catalogue.set(key, new IntlMessageFormat(text, locale));
      } catch (error) {
        problems.push(`${file}: ${key}: ${(error as Error).message}`);
      }
    }
  }
  if (!catalogues.has(fallback)) problems.push(`no ${fallback}.json in ${folders.join(', ')}`);
  if (problems.length) throw new Error(`Messages cannot be read:\n${problems.map((line) => `- ${line}`).join('\n')}`);

  const locales = [fallback, ...[...catalogues.keys()].filter((locale) => locale !== fallback).sort()];
  const lastResort = catalogues.get(fallback)!;
  const translators = new Map(
    locales.map((locale) => {
      const catalogue = catalogues.get(locale)!;
      return [locale, createTranslator(locale, (key) => catalogue.get(key) ?? lastResort.get(key))] as const;
    }),
  );
  return {
    locales,
    translator: (locale) => translators.get(locale) ?? translators.get(fallback)!,
    match: (tags) => {
      for (const tag of tags) {
        for (let range = tag.toLowerCase(); range; range = range.slice(0, Math.max(0, range.lastIndexOf('-')))) {
          const locale = locales.find((known) => known.toLowerCase() === range);
          if (locale) return locale;
        }
      }
      return undefined;
    },
  };
}

function createTranslator(locale: string, find: (key: string) => IntlMessageFormat | undefined): Translator {
  const dates = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' });
  const lists = new Intl.ListFormat(locale, { type: 'conjunction' });
  const unitFormats = new Map<string, Intl.NumberFormat>();
  const tags = Object.fromEntries(
    Object.entries(MARKUP).map(([tag, element]) => [tag, (parts: Part[]): Markup => ({ element, parts })]),
  );

  function duration(seconds: number): string {
    const [unit, size] = unitFor(seconds);
    let format = unitFormats.get(unit);
    if (!format) {
      format = new Intl.NumberFormat(locale, { style: 'unit', unit, unitDisplay: 'long', maximumFractionDigits: 0 });
      unitFormats.set(unit, format);
    }
    return format.format(Math.ceil(seconds / size));
  }

  function inWords(value: MessageArgument): string | number | Date {
    if (typeof value !== 'object' || isDate(value)) return value;
    if ('seconds' in value) return duration(value.seconds);
    return lists.format(value.list.map((item) => (typeof item === 'string' ? item : toText(format(item)))));
  }

  function format(message: string | Message, args?: Message['args']): Part | Part[] {
    const { key, args: own } = typeof message === 'string' ? { key: message, args } : message;
    const found = find(key);
    // A template of the operator's may ask for what nobody wrote: the name of the message is the best that is left.
    if (!found) return key;
    const values: Record<string, string | number | Date> = {};
    for (const [name, value] of Object.entries({ ...own, ...args })) values[name] = inWords(value);
    return found.format<string | Markup>({ ...values, ...tags });
  }

  return {
    locale,
    text: (message, args) => toText(format(message, args)),
    html: (message, args) => toHtml(format(message, args)),
    date: (moment) => dates.format(moment),
  };
}

/** The largest unit that says the length without a remainder that matters: 15 minutes, 30 days, but 90 seconds. */
function unitFor(seconds: number): ['day' | 'hour' | 'minute' | 'second', number] {
  if (seconds >= 2 * 86_400 || seconds === 86_400) return ['day', 86_400];
  if (seconds >= 2 * 3600 || seconds === 3600) return ['hour', 3600];
  if (seconds >= 120 || seconds === 60) return ['minute', 60];
  return ['second', 1];
}

function isDate(value: object): value is Date {
  return Object.prototype.toString.call(value) === '[object Date]';
}

function toHtml(parts: Part | Part[]): string {
  return [parts]
    .flat()
    .map((part) =>
      typeof part === 'string' ? escapeHtml(part) : `<${part.element}>${toHtml(part.parts)}</${part.element}>`,
    )
    .join('');
}

function toText(parts: Part | Part[]): string {
  return [parts]
    .flat()
    .map((part) => (typeof part === 'string' ? part : toText(part.parts)))
    .join('');
}

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

function catalogueFiles(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => /^[a-z]{2,3}(-[A-Za-z0-9]+)*\.json$/.test(name))
    .sort()
    .map((name) => join(folder, name));
}

function readCatalogue(file: string, problems: string[]): [string, string][] {
  try {
    const content: unknown = JSON.parse(readFileSync(file, 'utf8'));
    const entries = Object.entries(content as Record<string, unknown>);
    const wrong = entries.find(([, text]) => typeof text !== 'string');
    if (!wrong) return entries as [string, string][];
    problems.push(`${file}: ${wrong[0]} is not a text`);
  } catch (error) {
    problems.push(`${file}: ${(error as Error).message}`);
  }
  return [];
}
