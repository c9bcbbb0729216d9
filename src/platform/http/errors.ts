import type { Context, Middleware } from 'koa';
import { createBoundedLog } from '../bounded-log.ts';
import { isUnavailable } from '../database/database-errors.ts';
import {
  AppError,
  badRequest,
  errorKinds,
  internalError,
  isAppError,
  methodNotAllowed,
  notFound,
  payloadTooLarge,
  unavailable,
} from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { RequestState } from './context.ts';
import type { NameRoute } from './request-metrics.ts';

interface ErrorsOptions {
  logger: Logger;
  /** What a path is called in the log. The path itself is not told: one-time links have their secret in it. S-037 */
  nameRoute?: NameRoute;
}

/** Answers a browser: sets `ctx.body` to a page. Status and headers are set already. */
export type RenderError = (ctx: Context, error: AppError) => void | Promise<void>;

/**
 * Turns whatever is thrown, and answers left empty, into a page for browsers and RFC 9457 problem details for programs.
 * The cause goes to the log, never into the answer.
 */
export function errors({ renderError, ...options }: ErrorsOptions & { renderError: RenderError }): Middleware {
  const { logger } = options;
  const answerByProblem = problems(options);

  return async function errors(ctx, next) {
    try {
      await next();
      const unanswered = unansweredError(ctx);
      if (unanswered) throw unanswered;
    } catch (thrown) {
      const error = answerByProblem(ctx, thrown);
      if (ctx.respond === false || !wantsPage(ctx)) return;
      try {
        await renderError(ctx, error);
        ctx.status = error.status;
      } catch (failure) {
        logger.error({ error: failure }, 'the error page could not be rendered');
        ctx.type = 'text/plain';
        ctx.body = error.publicText;
      }
    }
  };
}

/** The same for where everybody is a program. */
export function problems({ logger, nameRoute }: ErrorsOptions): (ctx: Context, thrown: unknown) => AppError {
  const mayLog = createBoundedLog();

  function record(ctx: Context, error: AppError): void {
    const { requestId } = ctx.state as RequestState;
    const route = nameRoute?.(ctx.path, ctx.method) ?? 'other';
    const request = { requestId, method: ctx.method, route, status: error.status, code: error.code };
    // As many as there are requests, while something is away.
    const leftOut = error.code === 'unavailable' ? mayLog('unavailable') : 0;
    if (leftOut === undefined) return;
    const others = leftOut > 0 && { leftOut };
    if (error.status >= 500) logger.error({ ...request, ...others, error: error.cause ?? error }, 'request failed');
    else logger.debug({ ...request, ...(error.cause ? { error: error.cause } : {}) }, 'request refused');
  }

  return function answerByProblem(ctx, thrown) {
    const error = toAppError(thrown);
    record(ctx, error);
    if (ctx.res.headersSent) {
      ctx.respond = false;
      ctx.res.destroy();
      return error;
    }
    ctx.status = error.status;
    ctx.set('Cache-Control', 'no-store');
    if (error.retryAfter !== undefined) ctx.set('Retry-After', String(error.retryAfter));
    if (error.headers) ctx.set({ ...error.headers });
    answerProblem(ctx, error);
    return error;
  };
}

function wantsPage(ctx: Context): boolean {
  if ((ctx.state as RequestState).answersProgram) return false;
  return ctx.accepts('application/problem+json', 'application/json', 'text/html') === 'text/html';
}

function answerProblem(ctx: Context, error: AppError): void {
  ctx.body = JSON.stringify({
    type: `urn:daemun:error:${error.code}`,
    title: errorKinds[error.code].text,
    status: error.status,
    ...(error.publicText !== errorKinds[error.code].text && { detail: error.publicText }),
    code: error.code,
    ...error.members,
    ...(error.problems && { errors: error.problems }),
    ...(error.field !== undefined && { field: error.field }),
    ...(error.retryAfter !== undefined && { retry_after: error.retryAfter }),
    request_id: (ctx.state as RequestState).requestId,
  });
  ctx.type = 'application/problem+json';
}

/** Routers leave 404 and 405 without a body. */
function unansweredError(ctx: Context): AppError | undefined {
  if (ctx.res.headersSent || ctx.respond === false || (ctx.body !== undefined && ctx.body !== null)) return undefined;
  if (ctx.status === 404) return notFound();
  if (ctx.status === 405) return methodNotAllowed();
  return undefined;
}

/** Foreign errors are told apart by what they carry, never by class. */
export function toAppError(thrown: unknown): AppError {
  if (isAppError(thrown)) return thrown;
  if (isUnavailable(thrown)) return unavailable(2, thrown);
  const { status, expose, name } = (thrown ?? {}) as { status?: unknown; expose?: unknown; name?: unknown };
  if (name === 'URIError') return badRequest(undefined, 'The request is badly encoded.');
  if (expose === true && typeof status === 'number' && status >= 400 && status < 500) {
    if (status === 404) return notFound();
    if (status === 413) return payloadTooLarge();
    return new AppError('bad_request', { cause: thrown });
  }
  return internalError(thrown);
}
