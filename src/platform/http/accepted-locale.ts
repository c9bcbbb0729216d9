import type { IncomingMessage } from 'node:http';
import accepts from 'accepts';

/** Of a header that is longer the rest is not read: nobody speaks so many languages, and this is also asked when there is no time. */
const MOST_READ = 200;

/**
 * The one of `locales` that the `Accept-Language` of a request likes best, the first of them when it likes none: `ko` for `ko-KR`.
 * @see RFC 9110 12.5.4, RFC 4647 3.4
 */
export function acceptedLocale(accepted: string | undefined, locales: string[]): string {
  const headers = { 'accept-language': accepted && beginningOf(accepted) };
  return accepts({ headers } as IncomingMessage).languages(locales) || locales[0]!;
}

/** Without what the cut goes through: its weight would be missing. */
function beginningOf(accepted: string): string {
  if (accepted.length <= MOST_READ) return accepted;
  return accepted.slice(0, Math.max(0, accepted.lastIndexOf(',', MOST_READ)));
}
