/**
 * Everything that belongs into the body of a call by a program. In an address it would be kept by logs, histories and proxies.
 * @see RFC 6749 3.2, 2.3.1; RFC 9700 4.3.2 (S-005, S-038)
 */
const BODY_PARAMETERS = new Set([
  'access_token',
  'actor_token',
  'actor_token_type',
  'audience',
  'client_assertion',
  'client_assertion_type',
  'client_id',
  'client_secret',
  'code',
  'code_verifier',
  'grant_type',
  'password',
  'redirect_uri',
  'refresh_token',
  'request',
  'request_uri',
  'requested_token_type',
  'resource',
  'response_type',
  'scope',
  'state',
  'subject_token',
  'subject_token_type',
  'token',
  'token_type_hint',
  'username',
]);

/** The first protocol parameter in the query of this address. Unknown ones mean nothing and are ignored. */
export function bodyParameterInQuery(url: string): string | undefined {
  const query = url.indexOf('?');
  if (query < 0) return undefined;
  return [...new URLSearchParams(url.slice(query + 1)).keys()].find((name) => BODY_PARAMETERS.has(name));
}
