/** Parts that people put together have to be among this many most common passwords: nine million pairs. */
const RANKS_FOR_PAIRS = 3_000;
const SHORTEST_PART = 3;
/** What is only a few characters again and again, whatever they are. */
const SHORT_UNIT = 4;
const ROWS = ['1234567890', 'qwertyuiop', 'asdfghjkl', 'zxcvbnm', 'abcdefghijklmnopqrstuvwxyz'];
const WALKS = [...ROWS, `${ROWS[1]}${ROWS[2]}${ROWS[3]}`].map((row) => row.repeat(8));
const PATHS = [...WALKS, ...WALKS.map((walk) => [...walk].reverse().join(''))];

export interface CommonPasswords {
  /** Whether the whole of it is a common password, or what people make of common ones to reach a length. */
  has(password: string): boolean;
  /** Whether the whole of it is one of these words, repeated or next to each other or to a common password. */
  isMadeOf(password: string, words: string[]): boolean;
}

/**
 * Nearly all common passwords are shorter than a policy allows; what is common at that length is the same word twice, two in a row,
 * or a walk over the keyboard. Only whole passwords are judged, never parts of one.
 * @see NIST SP 800-63B-4 section 3.1.1.2 (S-117)
 */
export async function loadCommonPasswords(): Promise<CommonPasswords> {
  // 20 MB in memory: only for whoever sets a password.
  const { dictionary } = await import('@zxcvbn-ts/language-common');
  const ranked = (dictionary['passwords-common'] as string[]).map(folded);
  const all = new Set(ranked);
  const common = new Set(ranked.slice(0, RANKS_FOR_PAIRS));

  return {
    has(password) {
      const text = folded(password);
      const unit = repeatedUnit(text);
      return (
        all.has(text) ||
        (unit !== undefined && (unit.length <= SHORT_UNIT || all.has(unit))) ||
        PATHS.some((path) => path.includes(text)) ||
        isPair(text, (first, second) => common.has(first) && common.has(second))
      );
    },
    isMadeOf(password, words) {
      const text = folded(password);
      const own = new Set(words.map(folded).filter((word) => word.length >= SHORTEST_PART));
      const unit = repeatedUnit(text);
      return (
        own.has(text) ||
        (unit !== undefined && own.has(unit)) ||
        isPair(text, (first, second) =>
          own.has(first) ? own.has(second) || all.has(second) : own.has(second) && all.has(first),
        )
      );
    },
  };
}

function folded(text: string): string {
  return text.normalize('NFC').toLowerCase();
}

/** The part that the text is made of when it is the same thing at least twice; the last time may be cut short. */
function repeatedUnit(text: string): string | undefined {
  for (let length = 1; length <= text.length / 2; length++) {
    if (text.startsWith(text.slice(length))) return text.slice(0, length);
  }
  return undefined;
}

function isPair(text: string, fits: (first: string, second: string) => boolean): boolean {
  for (let at = SHORTEST_PART; at <= text.length - SHORTEST_PART; at++) {
    if (fits(text.slice(0, at), text.slice(at))) return true;
  }
  return false;
}
