/** Format characters, fillers, variation selectors, private and unassigned code points: one name looking like another. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;

export function hasInvisibleCharacters(text: string): boolean {
  return INVISIBLE.test(text);
}

/** For text that nobody can be asked to type again. What breaks a line becomes a space; what `keep` matches stays. */
export function withoutInvisibleCharacters(text: string, keep?: RegExp): string {
  const spaced = text.replace(/[\t\n\v\f\r\u0085\p{Zl}\p{Zp}]+/gu, ' ');
  return [...spaced].filter((character) => keep?.test(character) || !INVISIBLE.test(character)).join('');
}

/**
 * The form in which names are compared: compatibility characters and case make no difference. Through upper case, because it joins
 * what lower case keeps apart (ß and ss, final and other sigma, dotless and dotted i).
 */
export function foldedText(text: string): string {
  return text.normalize('NFKC').toLowerCase().toUpperCase().toLowerCase().normalize('NFKC');
}

/** Scripts in everyday use (UAX #31, table 5), each with those that one language writes beside it. */
const WRITING_SYSTEMS = [
  ['Latin', 'Han', 'Hiragana', 'Katakana'],
  ['Latin', 'Han', 'Hangul'],
  ['Latin', 'Han', 'Bopomofo'],
  ...[
    ['Arabic'],
    ['Armenian'],
    ['Bengali'],
    ['Cyrillic'],
    ['Devanagari'],
    ['Ethiopic'],
    ['Georgian'],
    ['Greek'],
    ['Gujarati'],
    ['Gurmukhi'],
    ['Hebrew'],
    ['Kannada'],
    ['Khmer'],
    ['Lao'],
    ['Malayalam'],
    ['Myanmar'],
    ['Oriya'],
    ['Sinhala'],
    ['Tamil'],
    ['Telugu'],
    ['Thaana'],
    ['Thai'],
    ['Tibetan'],
  ],
].map((scripts) => new RegExp(`^[${scripts.map((script) => `\\p{Script_Extensions=${script}}`).join('')}]*$`, 'u'));

/** Letters of more than one writing system, such as a Cyrillic а in a Latin name (UTS #39, "highly restrictive"). */
export function mixesScripts(text: string): boolean {
  const letters = text.replace(/[^\p{L}\p{M}]/gu, '');
  return !WRITING_SYSTEMS.some((system) => system.test(letters));
}
