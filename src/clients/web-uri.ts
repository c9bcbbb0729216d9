const LOOPBACK_HOSTS = new Set(['localhost', '127.0.0.1', '[::1]']);
const MAX_LENGTH = 2000;

/**
 * Says what is wrong with the address of a page, picture or key set, or nothing.
 * Plain http is for one's own machine, where development happens, unless `httpsOnly`.
 */
export function webUriProblem(uri: string, { httpsOnly = false } = {}): string | undefined {
  if (uri.length > MAX_LENGTH) return `must not be longer than ${MAX_LENGTH} characters`;
  if (/[^\x21-\x7e]/.test(uri) || !URL.canParse(uri)) return 'must be an absolute https address';
  const { protocol, hostname, username, password } = new URL(uri);
  if (username || password) return 'must not carry a user name or password';
  if (protocol === 'https:') return undefined;
  if (protocol === 'http:' && !httpsOnly && LOOPBACK_HOSTS.has(hostname)) return undefined;
  return 'must be https';
}
