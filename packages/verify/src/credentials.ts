import type { IncomingMessage } from 'node:http';

export type Scheme = 'Bearer' | 'DPoP';

/** Header fields with each value apart: joined or dropped repetitions are how two readers come to see two tokens. */
export interface CredentialHeaders {
  readonly authorization: readonly string[];
  readonly dpop: readonly string[];
}

/** What a request presents. */
export type Credentials =
  | { readonly kind: 'none' }
  | { readonly kind: 'invalid'; readonly reason: string }
  | { readonly kind: 'token'; readonly scheme: Scheme; readonly token: string; readonly proof: string | undefined };

/** Node keeps the first of two `Authorization` fields and says nothing; `rawHeaders` still has both. */
export function credentialHeaders({ rawHeaders }: Pick<IncomingMessage, 'rawHeaders'>): CredentialHeaders {
  const found = { authorization: [] as string[], dpop: [] as string[] };
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]?.toLowerCase();
    if (name === 'authorization' || name === 'dpop') found[name].push(rawHeaders[at + 1] ?? '');
  }
  return found;
}

/**
 * Reads the access token: from the `Authorization` header and nowhere else, once and nothing beside it.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc6750#section-2 RFC 6750 sections 2 and 3.1}, RFC 9449 section 7.1
 */
export function readCredentials(headers: CredentialHeaders, url: string): Credentials {
  const query = url.indexOf('?');
  if (query !== -1 && new URLSearchParams(url.slice(query)).has('access_token')) {
    return invalid('Access tokens are not accepted in the query string, where logs and histories keep them.');
  }
  const [authorization, ...more] = headers.authorization;
  if (more.length > 0) return invalid('The request has more than one Authorization header.');
  if (headers.dpop.length > 1) return invalid('The request has more than one DPoP header.');
  const [, name = '', token = ''] = /^ *([^ ]+) *(.*)$/.exec(authorization ?? '') ?? [];
  const scheme = SCHEMES.get(name.toLowerCase());
  if (scheme === undefined) return { kind: 'none' };
  // b64token of RFC 6750 section 2.1, token68 of RFC 9110 section 11.2
  if (!/^[A-Za-z0-9\-._~+/]+=*$/.test(token)) return invalid('The Authorization header holds no well-formed token.');
  return { kind: 'token', scheme, token, proof: scheme === 'DPoP' ? headers.dpop[0] : undefined };
}

/** RFC 9110 section 11.1: scheme names compare without case. */
const SCHEMES: ReadonlyMap<string, Scheme> = new Map([
  ['bearer', 'Bearer'],
  ['dpop', 'DPoP'],
]);

function invalid(reason: string): Credentials {
  return { kind: 'invalid', reason };
}
