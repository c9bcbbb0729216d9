import type { Context } from 'koa';
import { isAdministrativeScope, OWN_API_PATH } from '../api-keys/own-api.ts';
import type { AuditContext } from '../audit/audit.ts';
import type { ApiCallRefusal, Observations } from '../audit/observations.ts';
import {
  type AppError,
  crossSiteRequest,
  freshSignInRequired,
  insufficientScope,
  isAppError,
  tooManyRequests,
  unauthorized,
} from '../platform/errors.ts';
import { CSRF_FIELD, type Csrf } from '../platform/http/csrf.ts';
import { addressKey, type RateLimits } from '../platform/rate-limits.ts';
import type { Caller } from './caller.ts';
import type { Identified } from './identify.ts';
import type { OperationSpec } from './operation.ts';

/** @see RFC 9728 3.1 */
export const METADATA_PATH = `/.well-known/oauth-protected-resource${OWN_API_PATH}`;

export const CSRF_HEADER = 'X-CSRF-Token';
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);

export interface GuardOptions {
  issuer: string;
  identify(ctx: Context, by: AuditContext & { address: string }): Promise<Identified>;
  csrf: Pick<Csrf, 'check'>;
  limits: Pick<RateLimits, 'apiRequests' | 'apiFailures'>;
  observations: Pick<Observations, 'apiCallRefused' | 'apiKeyRefused'>;
}

/**
 * Lets a request through to its operation, or says why not: 401 when nobody is known, 403 when somebody is who may not. The cause is
 * told to the log alone. S-170, S-173, S-174
 */
export function createGuard({ issuer, identify, csrf, limits, observations }: GuardOptions) {
  const metadata = `resource_metadata="${issuer}${METADATA_PATH}"`;

  async function identified(ctx: Context, by: AuditContext & { address: string }): Promise<Identified> {
    try {
      return await identify(ctx, by);
    } catch (error) {
      if (isAppError(error) && error.code === 'ambiguous_credentials') tell('ambiguous', ctx, by);
      throw error;
    }
  }

  function tell(cause: ApiCallRefusal, ctx: Context, by: AuditContext): void {
    const operation = (ctx.state as { operation?: string }).operation ?? 'unknown';
    observations.apiCallRefused({ cause, operation }, by);
  }

  async function unknown(
    ctx: Context,
    cause: ApiCallRefusal,
    by: AuditContext & { address: string },
  ): Promise<AppError> {
    const decision = await limits.apiFailures.take(addressKey(by.address));
    tell(decision.allowed ? cause : 'too_many_requests', ctx, by);
    if (!decision.allowed) return tooManyRequests(decision.retryAfter);
    // RFC 6750 3.1: whoever sent nothing, or something else, is told no error.
    if (cause === 'no_credential' || cause === 'unknown_scheme') {
      return unauthorized('Send an API key or an access token, or sign in.', {
        'WWW-Authenticate': `Bearer ${metadata}`,
      });
    }
    const description = 'the credential is not valid here, or not any more';
    const challenge = `Bearer error="invalid_token", error_description="${description}", ${metadata}`;
    return unauthorized('This key, token or session is not valid here, or not any more.', {
      'WWW-Authenticate': challenge,
    });
  }

  /** Cookies come along with whatever a browser is made to send. S-155, S-170 */
  function checkOwnPage(ctx: Context): void {
    csrf.check(ctx, { [CSRF_FIELD]: ctx.get(CSRF_HEADER) });
    const isOwn = ctx.get('Sec-Fetch-Site') === 'same-origin' || ctx.get('Origin') === issuer;
    if (!isOwn) throw crossSiteRequest('neither Sec-Fetch-Site nor Origin says that it comes from here');
  }

  function scopeProblem(caller: Caller, scopes: readonly string[]): AppError {
    const wanted = scopes.find((scope) => !isAdministrativeScope(scope)) ?? scopes[0]!;
    if (caller.session) return insufficientScope('This is for administrators.');
    const challenge = `Bearer error="insufficient_scope", scope="${wanted}", ${metadata}`;
    return insufficientScope(`This needs the scope ${scopes.join(' or ')}.`, { 'WWW-Authenticate': challenge });
  }

  return async function guard(
    ctx: Context,
    { scopes, freshSignIn, method }: OperationSpec,
    by: AuditContext & { address: string },
  ): Promise<Caller> {
    const outcome = await identified(ctx, by);
    if (outcome.kind === 'refused') throw await unknown(ctx, outcome.cause, by);
    const { caller } = outcome;
    const { session } = caller;
    if (session && !SAFE.has(method)) {
      try {
        checkOwnPage(ctx);
      } catch (error) {
        tell('cross_site', ctx, by);
        throw error;
      }
    }
    const decision = await limits.apiRequests.take(caller.principal.id);
    if (!decision.allowed) {
      if (decision.isFirst) tell('too_many_requests', ctx, by);
      throw tooManyRequests(decision.retryAfter);
    }
    if (scopes !== 'public' && scopes.length > 0 && !scopes.some((scope) => caller.scopes.has(scope))) {
      tell(session ? 'not_administrator' : 'scope', ctx, by);
      if (caller.via === 'api_key') observations.apiKeyRefused({ cause: 'scope', apiKey: caller.apiKeyId! }, by);
      throw scopeProblem(caller, scopes);
    }
    if (session && freshSignIn !== undefined && session.age > freshSignIn) {
      tell('stale_sign_in', ctx, by);
      throw freshSignInRequired(freshSignIn);
    }
    return caller;
  };
}

/** What an operation for oneself and for others asks of a caller's sign-in once it is clear that it is for others. S-156 */
export function requireFreshSignIn({ session }: Caller, seconds: number): void {
  if (session && session.age > seconds) throw freshSignInRequired(seconds);
}
