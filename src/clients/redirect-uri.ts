/** A native application runs on the person's own device and keeps no secret. @see RFC 8252 */
export type ApplicationType = 'web' | 'native';

/** Where a redirect may stay on the person's own machine; `localhost` because many native clients use it. */
const LOOPBACK_HOSTS = new Set(['localhost', '127.0.0.1', '[::1]']);

const MAX_LENGTH = 2000;

/** The characters of a URI, so without spaces, controls, quotes, backslashes and non-ASCII. @see RFC 3986 2 */
const URI_CHARACTERS = /^[\w\-.~:/?#[\]@!$&'()*+,;=%]+$/;

/** Parameters of the authorization response: a URI that has them already makes the answer ambiguous. */
const RESPONSE_PARAMETERS = ['code', 'state', 'iss', 'error', 'error_description', 'response'];

/**
 * Says what is wrong with a redirect URI, or nothing when it may be registered.
 * Requests must repeat it byte for byte, so it has to be in the one form that every browser leaves alone.
 * @see RFC 9700 2.1, 2.6, RFC 8252 7
 */
export function redirectUriProblem(uri: string, applicationType: ApplicationType): string | undefined {
  if (uri.length > MAX_LENGTH) return `must not be longer than ${MAX_LENGTH} characters`;
  if (!URI_CHARACTERS.test(uri)) return 'must be an absolute URI in ASCII, other characters percent-encoded';
  if (uri.includes('#')) return 'must not have a fragment (#)';
  if (uri.includes('*')) return 'must not have a wildcard (*): register each address';
  const parsed = parse(uri);
  if (!parsed) return 'must be an absolute URI, such as https://app.example.com/callback';
  if (authorityOf(uri)?.includes('@')) return 'must not carry a user name or password';
  const reserved = RESPONSE_PARAMETERS.find((name) => parsed.searchParams.has(name));
  if (reserved) return `must not have the query parameter ${reserved}, which belongs to the response`;
  return schemeProblem(parsed, applicationType) ?? spellingProblem(uri, parsed);
}

/** True for plain http to the person's own machine. */
export function isLoopbackRedirect(uri: string): boolean {
  const parsed = parse(uri);
  return parsed?.protocol === 'http:' && LOOPBACK_HOSTS.has(parsed.hostname);
}

/** A scheme of an application's own: what follows the reversed-domain rule. @see RFC 8252 7.1 */
export function hasPrivateUseScheme(uri: string): boolean {
  return parse(uri)?.protocol.includes('.') ?? false;
}

function schemeProblem({ protocol, hostname }: URL, applicationType: ApplicationType): string | undefined {
  const loopback = LOOPBACK_HOSTS.has(hostname);
  if (protocol === 'https:') {
    return loopback && applicationType === 'native'
      ? 'must be plain http when a native application listens on loopback'
      : undefined;
  }
  if (protocol === 'http:') {
    return loopback ? undefined : 'must be https; plain http is for localhost, 127.0.0.1 and [::1] only';
  }
  const scheme = protocol.slice(0, -1);
  if (!scheme.includes('.')) {
    return `must not use the scheme ${scheme}: https, or a reversed domain name such as com.example.app for a native application`;
  }
  return applicationType === 'native' ? undefined : `uses the private scheme ${scheme}: set application_type to native`;
}

/** Browsers rewrite upper case, default ports, dot segments and odd addresses before they call. */
function spellingProblem(uri: string, parsed: URL): string | undefined {
  const withoutPath = parsed.pathname === '/' && parsed.href === `${uri}/`;
  return parsed.href === uri || withoutPath ? undefined : `must be written the way browsers send it: ${parsed.href}`;
}

/** Empty user information disappears in parsing, so the text is looked at. */
function authorityOf(uri: string): string | undefined {
  return /^[a-z][a-z0-9+.-]*:\/\/([^/?]*)/i.exec(uri)?.[1];
}

function parse(uri: string): URL | undefined {
  return URL.canParse(uri) ? new URL(uri) : undefined;
}
