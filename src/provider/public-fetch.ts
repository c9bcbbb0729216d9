import type { Outbound } from '../platform/http/outbound.ts';

/** Answers that cannot have a body; the platform's `Response` throws when it is given one. */
const WITHOUT_BODY = [204, 205];

/**
 * How the engine gets what a client publishes, in place of its own way, which checks an address after connecting and, where it
 * cannot, not at all. S-176
 */
export function createPublicFetch(outbound: Outbound): typeof fetch {
  return async function publicFetch(input, { method, headers, body, signal } = {}) {
    const target = typeof input === 'object' && 'url' in input ? input.url : input;
    const answer = await outbound(target, {
      ...(method !== undefined && { method }),
      headers: Object.fromEntries(new Headers(headers)),
      ...(typeof body === 'string' && { body }),
      ...(signal && { signal }),
    });
    const { status } = answer;
    const received = new Headers();
    for (const [name, value] of Object.entries(answer.headers))
      if (value !== undefined) received.set(name, String(value));
    return new Response(WITHOUT_BODY.includes(status) ? null : answer.body, { status, headers: received });
  };
}
