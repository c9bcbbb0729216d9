import { isUtf8 } from 'node:buffer';

export type JsonObject = Record<string, unknown>;

/** Token parts are a few members deep; a deeper one is an attack on whoever walks it. */
const MAX_DEPTH = 32;

/**
 * Parses a JSON object that can be read one way only: UTF-8, no byte order mark, no member twice.
 *
 * @returns `undefined` for anything else
 * @see {@link https://www.rfc-editor.org/rfc/rfc8725#section-3.7 RFC 8725 section 3.7}, RFC 7519 section 4
 */
export function parseStrictObject(bytes: Buffer): JsonObject | undefined {
  if (!isUtf8(bytes)) return undefined;
  const text = bytes.toString('utf8');
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    return survivesRoundTrip(value, text) || isUnambiguous(text) ? (value as JsonObject) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Most issuers write exactly what JSON.stringify writes. Then native code proves in a microsecond that parsing lost
 * nothing: a repeated member would have vanished from the copy. Everybody else's spelling takes the slow road.
 */
function survivesRoundTrip(value: object, text: string): boolean {
  try {
    return JSON.stringify(value) === text;
  } catch {
    return false; // nested too deep for the native writer: the walk below refuses it
  }
}

/** Walks text already known to be valid JSON, comparing member names as decoded: "a" and "\u0061" are the same. */
function isUnambiguous(text: string): boolean {
  const open: Set<string>[] = [];
  for (let at = 0; at < text.length; at++) {
    switch (text[at]) {
      case '{':
      case '[':
        if (open.push(new Set()) > MAX_DEPTH) return false;
        break;
      case '}':
      case ']':
        open.pop();
        break;
      case '"': {
        const end = endOfString(text, at);
        if (isFollowedByColon(text, end)) {
          const name = JSON.parse(text.slice(at, end)) as string;
          const names = open.at(-1);
          if (names === undefined || names.has(name)) return false;
          names.add(name);
        }
        at = end - 1;
        break;
      }
    }
  }
  return true;
}

/** The index just behind the closing quote of the string that opens at `start`. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}

/** In valid JSON only a member name is followed by a colon. */
function isFollowedByColon(text: string, from: number): boolean {
  let at = from;
  while (text[at] === ' ' || text[at] === '\t' || text[at] === '\n' || text[at] === '\r') at++;
  return text[at] === ':';
}
