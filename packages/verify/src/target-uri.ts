/**
 * The target URI of a request, without query and fragment, in one spelling: what `htu` is compared with.
 *
 * @returns `undefined` for what is not an http URL
 * @see {@link https://www.rfc-editor.org/rfc/rfc9449#section-4.3 RFC 9449 section 4.3}, RFC 3986 sections 6.2.2 and 6.2.3
 */
export function normalizeTargetUri(uri: string): string | undefined {
  if (!URL.canParse(uri)) return undefined;
  const { protocol, origin, pathname, username, password } = new URL(uri);
  if ((protocol !== 'https:' && protocol !== 'http:') || username || password) return undefined;
  // the parser has lowered scheme and host, dropped the default port and resolved the dots; escapes are left to us
  return origin + pathname.replace(/%[0-9a-f]{2}/gi, normalizeEscape);
}

function normalizeEscape(escaped: string): string {
  const character = String.fromCharCode(Number.parseInt(escaped.slice(1), 16));
  return /[A-Za-z0-9\-._~]/.test(character) ? character : escaped.toUpperCase();
}
