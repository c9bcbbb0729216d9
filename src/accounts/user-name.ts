import { type Refusal, type RefusalReason, refusal } from './refusal.ts';
import { foldedText, hasInvisibleCharacters, mixesScripts } from './spelling.ts';

const LONGEST = 64;
/** Letters, marks and digits with dots, hyphens and underscores between them. Never an `@`: that makes it an e-mail address. */
const SHAPE = /^[\p{L}\p{Nd}][\p{L}\p{M}\p{Nd}._-]*$/u;

export interface UserName {
  /** As it is shown. */
  text: string;
  /** As it is compared: one owner each. */
  key: string;
}

export type ParsedUserName = { kind: 'valid'; userName: UserName } | { kind: 'refused'; refusal: Refusal };

export function parseUserName(input: string): ParsedUserName {
  const typed = input.trim();
  const text = typed.normalize('NFKC');
  const key = userNameKey(text);
  const reason = problemOf(typed, text, key);
  return reason
    ? { kind: 'refused', refusal: refusal('userName', reason) }
    : { kind: 'valid', userName: { text, key } };
}

function problemOf(typed: string, text: string, key: string): RefusalReason | undefined {
  if (typed === '') return 'missing';
  if (hasInvisibleCharacters(typed) || hasInvisibleCharacters(text)) return 'invisible-characters';
  if ([...text].length > LONGEST || [...key].length > LONGEST) return 'too-long';
  if (!SHAPE.test(text)) return 'invalid';
  return mixesScripts(text) ? 'mixed-scripts' : undefined;
}

export function userNameKey(text: string): string {
  return foldedText(text.trim());
}
