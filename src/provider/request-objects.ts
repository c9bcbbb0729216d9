import { decodeProtectedHeader } from 'jose';
import { type EngineContext, errors } from './engine.ts';

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

export function isUnsigned(request: string): boolean {
  try {
    return decodeProtectedHeader(request).alg === 'none';
  } catch {
    // No JWT at all: the engine says so.
    return false;
  }
}
