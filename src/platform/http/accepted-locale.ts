/** Of a header that is longer the rest is not read: nobody speaks so many languages, and this is asked when there is no time. */
const MOST_READ = 200;

/**
 * The one of `locales` that the `Accept-Language` of a request likes best, the first of them when it likes none: `ko` for `ko-KR`.
 * @see RFC 9110 12.5.4, RFC 4647 3.4
 */
export function acceptedLocale(accepted: string | undefined, locales: readonly string[]): string {
  let best = locales[0]!;
  let weight = 0;
  const ranges = beginningOf(accepted ?? '').toLowerCase();
  for (const range of ranges.split(',')) {
    const [tag = '', ...parameters] = range.split(';').map((part) => part.trim());
    const own = Number(parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? 1);
    if (!(own > weight)) continue;
    const found =
      tag === '*'
        ? locales[0]
        : locales.find((locale) => tag === locale.toLowerCase() || tag.startsWith(`${locale.toLowerCase()}-`));
    if (found === undefined) continue;
    best = found;
    weight = own;
  }
  return best;
}

/** Without what the cut goes through: its weight would be missing. */
function beginningOf(accepted: string): string {
  if (accepted.length <= MOST_READ) return accepted;
  return accepted.slice(0, Math.max(0, accepted.lastIndexOf(',', MOST_READ)));
}
