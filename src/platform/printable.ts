const LONGEST_TEXT = 1_024;
/** What PostgreSQL cannot keep in text (NUL), what breaks a log reader's lines (controls), and what is no text (lone surrogates). */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\u2028\u2029]/gu;
/** Nearly all that is recorded: nothing to look at closely. */
const PLAIN = /^[\x20-\x7e]*$/;

/**
 * The same value with text that every log keeps and shows as one line: strangers choose part of it. S-175
 * Keys that are absent stay absent.
 */
export function printable<T>(value: T): T {
  if (typeof value === 'string' && value.length <= LONGEST_TEXT && PLAIN.test(value)) return value;
  if (typeof value === 'string') return shorten(value).replace(UNPRINTABLE, '\u{fffd}') as T;
  if (Array.isArray(value)) return value.map(printable) as T;
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .map(([key, member]) => [printable(key), printable(member)]),
  ) as T;
}

/** The whole text as one line, for a terminal: nobody steers it, nor writes a line of their own. */
export function oneLine(text: string): string {
  return text.replace(/[ \t]*[\r\n]+[ \t]*/g, ' ').replace(UNPRINTABLE, '\u{fffd}');
}

function shorten(text: string): string {
  return text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}…` : text;
}
