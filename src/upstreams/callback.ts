import type { UpstreamOutcome } from './upstream.ts';

const LONGEST_CODE = 2_048;

/** What an upstream sends for everything that may be tried again. @see RFC 6749 section 4.1.2.1 */
const PASSING = ['server_error', 'temporarily_unavailable'];

/**
 * What a callback says, before any strategy sees it. Whether it fits an attempt was checked by whoever consumed its state.
 * @see RFC 6749 section 4.1.2, RFC 9207 section 2.4
 */
export function readCallback(
  response: URLSearchParams,
  issuers: readonly string[],
): { code: string } | UpstreamOutcome {
  const repeated = ['state', 'code', 'error', 'iss'].some((name) => response.getAll(name).length > 1);
  if (repeated) return { kind: 'failed', reason: 'invalid_response', problem: 'callback: a parameter twice' };
  const issuer = response.get('iss');
  if (issuer !== null && !issuers.includes(issuer)) {
    return { kind: 'failed', reason: 'wrong_issuer', problem: 'callback: iss' };
  }
  const error = response.get('error');
  if (error === 'access_denied') return { kind: 'denied' };
  // Its description is a stranger's text and goes nowhere. S-106
  if (error !== null) {
    const problem = `callback: ${/^[a-z_]{1,40}$/.test(error) ? error : 'error'}`;
    return { kind: 'failed', reason: PASSING.includes(error) ? 'unavailable' : 'refused', problem };
  }
  const code = response.get('code');
  if (!code || code.length > LONGEST_CODE) {
    return { kind: 'failed', reason: 'invalid_response', problem: 'callback: no code' };
  }
  return { code };
}
