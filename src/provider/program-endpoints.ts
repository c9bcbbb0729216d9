import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Context } from 'koa';
import { createBoundedLog } from '../platform/bounded-log.ts';
import { isUnavailable } from '../platform/database/database-errors.ts';
import { isAppError, methodNotAllowed, notFound, unavailable } from '../platform/errors.ts';
import type { RequestState } from '../platform/http/context.ts';
import { problems } from '../platform/http/errors.ts';
import { STRICT_TRANSPORT } from '../platform/http/security-headers.ts';
import type { Logger } from '../platform/logger.ts';
import type { EngineContext } from './engine.ts';
import { readFromProgram } from './incoming-request.ts';
import { findProgramRoute, nameProtocolRoute, type Route } from './routes.ts';
import { failureOf, type ServingEngine } from './serving-engine.ts';

export interface ProgramEndpointsOptions {
  current: () => ServingEngine;
  /** Who asks, and what the request is called. */
  describe(req: IncomingMessage, res: ServerResponse): Pick<RequestState, 'address' | 'requestId'>;
  /** Whether what happens can still be recorded. */
  hasRoom(): boolean;
  secure: boolean;
  logger: Logger;
}

/**
 * The endpoints that programs call, which are the busy ones: they need nothing of the pages, so the engine's context is the only
 * one, and every answer is JSON or a JWT. Takes requests to our host; false when this is none of theirs.
 */
export function createProgramEndpoints({ current, describe, hasRoom, secure, logger }: ProgramEndpointsOptions) {
  const answerByProblem = problems({ logger, nameRoute: nameProtocolRoute });
  const mayLog = createBoundedLog();

  async function answer(req: IncomingMessage, res: ServerResponse, route: Route): Promise<void> {
    const engine = current();
    const ctx = engine.provider.createContext(req, res) as unknown as Context & EngineContext;
    res.statusCode = 404;
    ctx.state = { ...describe(req, res), answersProgram: true };
    try {
      await pass(ctx, route, engine);
      // What the engine leaves alone: an OPTIONS request that is no preflight.
      if (ctx.status === 404 && !ctx.body) throw notFound();
    } catch (thrown) {
      answerByProblem(ctx, thrown);
    }
    // Last, because the engine goes through all that are set.
    if (!res.headersSent) {
      res.setHeader('Cache-Control', 'no-store');
      res.setHeader('X-Content-Type-Options', 'nosniff');
      if (secure) res.setHeader('Strict-Transport-Security', STRICT_TRANSPORT);
    }
    send(ctx);
  }

  async function pass(
    ctx: Context & EngineContext,
    route: Route,
    { provider, afterProgram }: ServingEngine,
  ): Promise<void> {
    if (!route.methods.includes(ctx.req.method!)) {
      ctx.set('Allow', route.methods.join(', '));
      throw methodNotAllowed();
    }
    if (!hasRoom()) return fail(ctx, route, unavailable(1));
    if (!(await readFromProgram(ctx, route))) return;
    await provider.middleware[0]!(ctx as never, async () => {});
    const failure = failureOf(ctx);
    if (failure) return fail(ctx, route, failure);
    // What is looked at only now, an API key for one, fails as the engine would.
    await afterProgram(ctx)?.catch((error: Error) => fail(ctx, route, error));
  }

  /** In the form of an OAuth error, because that is what clients of these endpoints read. @see RFC 6749 5.2 */
  function fail(ctx: Context, { name }: Route, failure: Error): void {
    const busy = isUnavailable(failure) || isAppError(failure);
    // As many as there are requests, while something is away.
    const leftOut = busy ? mayLog('unavailable') : 0;
    if (leftOut !== undefined) {
      const { requestId } = ctx.state;
      logger.error(
        { requestId, route: name, ...(leftOut > 0 && { leftOut }), error: failure },
        'protocol request failed',
      );
    }
    ctx.status = busy ? 503 : 500;
    if (busy) ctx.set('Retry-After', '2');
    ctx.body = busy
      ? { error: 'temporarily_unavailable', error_description: 'the service is partly unavailable, try again' }
      : { error: 'server_error', error_description: 'something went wrong on our side' };
  }

  return function answerProgram(req: IncomingMessage, res: ServerResponse): boolean {
    const route = findProgramRoute(req.url ?? '');
    if (!route) return false;
    answer(req, res, route).catch((error) => {
      logger.error({ error }, 'a request could not be answered');
      res.destroy();
    });
    return true;
  };
}

/** What Koa does with a body, for the two kinds there are here. */
function send({ res, body, respond }: Context): void {
  if (respond === false || res.headersSent) return;
  if (body === null || body === undefined || typeof body === 'string') {
    res.end(body ?? undefined);
    return;
  }
  const text = JSON.stringify(body);
  res.setHeader('Content-Length', Buffer.byteLength(text));
  res.end(text);
}
