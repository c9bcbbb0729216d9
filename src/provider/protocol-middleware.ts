import type { Context, Middleware } from 'koa';
import { isUnavailable } from '../platform/database/database-errors.ts';
import { interactionExpired, isAppError, methodNotAllowed, unavailable } from '../platform/errors.ts';
import type { Logger } from '../platform/logger.ts';
import type { EngineContext, Provider } from './engine.ts';
import { allowSelfSubmission } from './engine-pages.ts';
import { readRequest } from './incoming-request.ts';
import { answerPublished, type PublishedDocuments } from './published.ts';
import { findRoute, type Route, resumedInteraction } from './routes.ts';

/** An engine that serves one key set, and what it publishes about itself. */
export interface ServingEngine {
  provider: Provider;
  documents: PublishedDocuments;
  /** What has to be done about an answer before it is sent. */
  afterwards(ctx: EngineContext): Promise<void>;
}

export interface ProtocolMiddlewareOptions {
  current: () => ServingEngine;
  /** Whether what happens can still be recorded. */
  hasRoom(): boolean;
  /** @throws AppError too_many_requests */
  limitSignOuts(ctx: Context): Promise<void>;
  logger: Logger;
}

/** The page context behind the engine's own, for screens that belong to the rest of the service. */
const pages = new WeakMap<object, Context>();
/** What the engine could not answer; it tells callers as little as it should. */
const failures = new WeakMap<object, Error>();

export function pageContextOf(ctx: EngineContext): Context {
  return pages.get(ctx)!;
}

/** Remembers failures of the engine's own, for `answerFailure`. */
export function noteFailures(provider: Provider): void {
  provider.on('server_error', (ctx, error) => void failures.set(ctx, error));
}

/**
 * Leads requests to the engine: exact paths and methods only. The engine gets a context of its own, because two things of ours
 * must not reach it: the `Host` of the request, and the cookie keys of the rest of the service.
 */
export function protocolMiddleware({ current, hasRoom, limitSignOuts, logger }: ProtocolMiddlewareOptions): Middleware {
  return async function protocol(ctx, next) {
    const { provider, documents, afterwards } = current();
    if (answerPublished(documents, ctx.req, ctx.res)) {
      ctx.respond = false;
      return;
    }
    const route = findRoute(ctx.path);
    if (!route) return next();
    ctx.set('Cache-Control', 'no-store');
    ctx.state.answersProgram = route.caller === 'program';
    if (!route.methods.includes(ctx.method)) {
      ctx.set('Allow', route.methods.join(', '));
      throw methodNotAllowed();
    }
    if (!hasRoom()) return answerFailure(ctx, route, unavailable(1));
    const request = await readRequest(ctx, route);
    if (!request) return;
    if (route.name === 'end_session') await limitSignOuts(ctx);
    if (route.name === 'resume') checkResumed(ctx, provider);

    const engineContext = provider.createContext(request, ctx.res) as unknown as EngineContext;
    engineContext.state = ctx.state;
    pages.set(engineContext, ctx);
    await provider.middleware[0]!(engineContext as never, async () => {});
    const failure = failures.get(engineContext);
    if (failure) return answerFailure(ctx, route, failure);
    await afterwards(engineContext);
    handOver(ctx, engineContext);
  };

  /** Programs get an OAuth error in JSON; for browsers the service draws its page. */
  function answerFailure(ctx: Context, { caller, name }: Route, failure: Error): void {
    if (caller === 'browser') throw failure;
    logger.error({ requestId: ctx.state.requestId, route: name, error: failure }, 'protocol request failed');
    const busy = isUnavailable(failure) || isAppError(failure);
    ctx.status = busy ? 503 : 500;
    if (busy) ctx.set('Retry-After', '2');
    ctx.body = busy
      ? { error: 'temporarily_unavailable', error_description: 'the service is partly unavailable, try again' }
      : { error: 'server_error', error_description: 'something went wrong on our side' };
  }
}

/** The engine looks only at the cookie: one of another flow, put in its place, would continue that one. S-154 */
function checkResumed(ctx: Context, provider: Provider): void {
  const { cookies } = provider.createContext(ctx.req, ctx.res);
  const carried = cookies.get(provider.cookieName('resume'), { signed: true });
  if (carried !== resumedInteraction(ctx.path)) throw interactionExpired();
}

/** What the engine answered, unless a screen of the service did. Headers are on the response both share. */
function handOver(ctx: Context, { status, body }: EngineContext): void {
  if (ctx.body !== undefined && ctx.body !== null) return;
  ctx.status = status;
  if (body === undefined || body === null) return;
  allowSelfSubmission(ctx, body);
  ctx.body = body;
}
