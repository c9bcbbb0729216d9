/**
 * Keys that came over a connection anybody could rewrite prove nothing: https, or plain http within one machine.
 *
 * @throws TypeError with the name of the setting or document at fault
 */
export function checkSecureUrl(url: unknown, name: string, allowHttp: boolean): URL {
  if (typeof url !== 'string' || !URL.canParse(url)) throw new TypeError(`${name} is not a URL`);
  const parsed = new URL(url);
  const secure =
    parsed.protocol === 'https:' || (parsed.protocol === 'http:' && (allowHttp || isLoopback(parsed.hostname)));
  if (!secure) throw new TypeError(`${name} must be an https URL (plain http only on loopback); got "${url}"`);
  if (parsed.username || parsed.password || parsed.hash) {
    throw new TypeError(`${name} must carry neither credentials nor a fragment`);
  }
  return parsed;
}

function isLoopback(hostname: string): boolean {
  return (
    hostname === 'localhost' ||
    hostname.endsWith('.localhost') ||
    hostname === '[::1]' ||
    /^127(\.\d+){3}$/.test(hostname)
  );
}
