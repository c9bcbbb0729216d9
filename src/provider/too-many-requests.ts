import { type EngineContext, errors } from './engine.ts';

/** For a limit that is reached inside the engine: it answers programs and browsers each in their own way. */
export function tooManyRequests(ctx: EngineContext, retryAfter: number, description: string): Error {
  ctx.set('Retry-After', String(retryAfter));
  const refusal = new errors.OIDCProviderError(429, 'temporarily_unavailable');
  refusal.error_description = description;
  refusal.allow_redirect = false;
  return refusal;
}
