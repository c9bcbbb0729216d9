import { jsonOf, type Outbound, type OutboundAnswer, type OutboundRequest } from '../platform/http/outbound.ts';
import { outage, UpstreamFailure, untrusted } from './failure.ts';

/** Discord's servers turn away programs that do not say who they are. */
const HEADERS = { 'User-Agent': 'Daemun (OpenID Connect provider)', Accept: 'application/json' };

export type JsonObject = Record<string, unknown>;

/**
 * Asks an upstream's server for a JSON object.
 * @throws UpstreamFailure `unavailable` for what may pass (5xx, 429), `refused` for what will not: the code is wrong, or our secret is
 * @throws OutboundError
 */
export async function askForJson(fetch: Outbound, url: string, request: OutboundRequest): Promise<JsonObject> {
  const answer = await fetch(url, { ...request, headers: { ...HEADERS, ...request.headers } });
  const { status } = answer;
  const what = new URL(url).pathname;
  if (status >= 500 || isLimitForAll(answer)) throw outage('unavailable', `${what} answered ${status}`);
  if (status === 429) throw new UpstreamFailure('unavailable', `${what} answered ${status}`);
  if (status >= 400)
    throw new UpstreamFailure('refused', `${what} answered ${[status, ...errorCodeOf(answer)].join(' ')}`);
  const json = jsonOf(answer);
  if (!json || typeof json !== 'object' || Array.isArray(json)) throw untrusted(`${what} answered no JSON object`);
  return json as JsonObject;
}

/** Discord says whom it limits; most often it is one person, who must not close the door for the others. */
function isLimitForAll({ status, headers }: OutboundAnswer): boolean {
  return status === 429 && (headers['x-ratelimit-global'] === 'true' || headers['x-ratelimit-scope'] === 'global');
}

/** The code alone, since the description is a stranger's text. @see RFC 6749 section 5.2 */
function errorCodeOf({ body }: OutboundAnswer): string[] {
  const [, code] = /"error"\s*:\s*"([a-z_]{1,40})"/.exec(body.toString('latin1')) ?? [];
  return code ? [code] : [];
}
