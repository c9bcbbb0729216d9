/** Far more than any provider sends, far less than a header may hold. */
const LONGEST = 4096;

/**
 * The query that an upstream sent the browser back with. Undefined when it is none: too long, or with a parameter twice, of which
 * one would be checked and the other used. @see RFC 6749 section 3.1
 */
export function readUpstreamResponse(query: string): URLSearchParams | undefined {
  if (query.length > LONGEST) return undefined;
  const response = new URLSearchParams(query);
  return new Set(response.keys()).size === response.size ? response : undefined;
}
