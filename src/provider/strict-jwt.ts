import { isUtf8 } from 'node:buffer';
import type { IncomingHttpHeaders } from 'node:http';
import { isNestedTooDeep } from './json-depth.ts';

/** Where callers hand us JWTs that the engine reads: it takes the last of two equal members, and other spellings of base64url. */
const PARAMETERS = ['client_assertion', 'request', 'id_token_hint'];

/** What the engine gets in place of a JWT that could be read in two ways. It refuses it with the right error of the place. */
const UNREADABLE = 'unreadable';

/** Three parts in canonical base64url; header and payload JSON objects in UTF-8 without a member twice. S-080 @see RFC 8725 3.7 */
export function hasOneReading(jwt: string): boolean {
  const parts = jwt.split('.');
  const [header, payload] = parts;
  return parts.length === 3 && parts.every(isCanonical) && [header!, payload!].every(isPlainObject);
}

/** Whether one of them may be among these parameters: named in clear, or some name is encoded. */
const MAY_CARRY_JWT = /assertion|request|hint|(?:^|&)[^=&]*%/;

/** The same parameters, encoded as they were unless one of them had to go. */
export function withoutAmbiguousJwts(encoded: string): string {
  if (!MAY_CARRY_JWT.test(encoded)) return encoded;
  const parameters = new URLSearchParams(encoded);
  const ambiguous = PARAMETERS.filter((name) => {
    // Sent twice it is refused for that.
    const [value, ...more] = parameters.getAll(name);
    return value && !more.length && !hasOneReading(value);
  });
  for (const name of ambiguous) parameters.set(name, UNREADABLE);
  return ambiguous.length ? parameters.toString() : encoded;
}

/** A proof of possession comes in a header. */
export function withoutAmbiguousProof(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const { dpop } = headers;
  return dpop === undefined || hasOneReading(String(dpop)) ? headers : { ...headers, dpop: UNREADABLE };
}

function isCanonical(part: string): boolean {
  return Buffer.from(part, 'base64url').toString('base64url') === part;
}

function isPlainObject(part: string): boolean {
  const bytes = Buffer.from(part, 'base64url');
  if (!isUtf8(bytes)) return false;
  const text = bytes.toString('utf8');
  if (isNestedTooDeep(text)) return false;
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject && countMembers(value) === countNames(text);
  } catch {
    // No JSON, or nested deeper than anybody means.
    return false;
  }
}

/** Members that parsing left. */
function countMembers(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const own = Array.isArray(value) ? 0 : Object.keys(value).length;
  return Object.values(value).reduce((sum: number, member) => sum + countMembers(member), own);
}

/** Members that were written: in valid JSON only a name is a string before a colon. */
function countNames(text: string): number {
  let count = 0;
  for (const [, colon] of text.matchAll(/"(?:[^"\\]|\\.)*"\s*(:)?/g)) if (colon) count += 1;
  return count;
}
