import { decodeProtectedHeader } from 'jose';
import { isDatedAhead } from './client-authentication.ts';
import { type EngineContext, errors } from './engine.ts';
import { isNestedTooDeep } from './json-depth.ts';
import { sizeProblem } from './request-size.ts';

/**
 * Unsigned request objects are refused by the name that OpenID Connect gives to it; the engine would call them invalid.
 * Called while the client is looked up, and waits until it is known: before that the error could not go back to it.
 * @see OpenID Connect Core 3.1.2.6 (`request_not_supported`), 6.1
 */
export function refuseUnsignedRequestObject({ oidc }: EngineContext): void {
  const { request } = (oidc.params ?? {}) as { request?: unknown };
  if (oidc.route !== 'authorization' || typeof request !== 'string' || !isUnsigned(request)) return;
  const emitter = oidc as unknown as { once(event: 'assign.client', listener: () => void): void };
  emitter.once('assign.client', () => {
    throw new errors.RequestNotSupported('unsigned request objects are not supported');
  });
}

/** What a request object says is held to the same sizes as parameters, and to the same clock as assertions. S-013, S-044 */
export async function assertRequestObject(_ctx: unknown, payload: Record<string, unknown>): Promise<void> {
  const { claims, iat } = payload;
  const problem = sizeProblem(Object.entries(payload));
  if (problem) {
    const refusal = new errors.InvalidRequest(problem);
    // The way back would have to carry what is too long.
    refusal.allow_redirect = false;
    throw refusal;
  }
  if (typeof claims === 'string' && isNestedTooDeep(claims)) {
    throw new errors.InvalidRequest('claims are nested too deep');
  }
  if (isDatedAhead(iat)) throw new errors.InvalidRequestObject('the request object is dated in the future (iat)');
}

export function isUnsigned(request: string): boolean {
  try {
    return decodeProtectedHeader(request).alg === 'none';
  } catch {
    // No JWT at all: the engine says so.
    return false;
  }
}
