import type { IncomingMessage } from 'node:http';
import type { Context, Middleware } from 'koa';
import { isUnavailable } from '../platform/database/database-errors.ts';
import {
  badRequest,
  interactionExpired,
  isAppError,
  methodNotAllowed,
  unavailable,
  unsupportedMediaType,
} from '../platform/errors.ts';
import { BODY_LIMIT, readBody } from '../platform/http/form.ts';
import type { Logger } from '../platform/logger.ts';
import type { EngineContext, Provider } from './engine.ts';
import { allowSelfSubmission } from './engine-pages.ts';
import { bodyParameterInQuery } from './protocol-parameters.ts';
import { answerPublished, type PublishedDocuments } from './published.ts';
import { asGet, hasNul, isForm, unread } from './request-body.ts';
import { isUnsigned } from './request-objects.ts';
import { type Caller, findRoute, type Route, resumedInteraction } from './routes.ts';

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
  logger: Logger;
}

/** Longer addresses are cut or refused by servers and proxies on the way. */
const LONGEST_ADDRESS = 6 * 1024;

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
 * Leads requests to the engine: exact paths and methods only, bodies read and bounded here, what the engine does not refuse
 * refused before it sees it. The engine gets a context of its own, because two things of ours must not reach it: the `Host`
 * of the request and the cookie keys of the rest of the service.
 */
export function protocolMiddleware({ current, hasRoom, logger }: ProtocolMiddlewareOptions): Middleware {
  return async function protocol(ctx, next) {
    const { provider, documents, afterwards } = current();
    if (answerPublished(documents, ctx.req, ctx.res)) {
      ctx.respond = false;
      return;
    }
    const route = findRoute(ctx.path);
    if (!route) return next();
    ctx.set('Cache-Control', 'no-store');
    if (!route.methods.includes(ctx.method)) {
      ctx.set('Allow', route.methods.join(', '));
      throw methodNotAllowed();
    }
    if (!hasRoom()) return answerFailure(ctx, route, unavailable(1));
    const request = await prepare(ctx, route);
    if (!request) return;
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
    const down = isUnavailable(failure) || isAppError(failure);
    if (caller === 'browser') throw failure;
    logger.error({ requestId: ctx.state.requestId, route: name, error: failure }, 'protocol request failed');
    ctx.status = down ? 503 : 500;
    if (down) ctx.set('Retry-After', '2');
    ctx.body = down
      ? { error: 'temporarily_unavailable', error_description: 'the service is partly unavailable, try again' }
      : { error: 'server_error', error_description: 'something went wrong on our side' };
  }
}

/** The request as the engine shall see it, or nothing when it is answered already. */
async function prepare(ctx: Context, { name, caller }: Route): Promise<IncomingMessage | undefined> {
  const { req } = ctx;
  if (req.url!.includes('%00')) return refuse(ctx, caller, 'A parameter contains a NUL character.');
  const misplaced = caller === 'program' && name !== 'userinfo' ? bodyParameterInQuery(req.url!) : undefined;
  if (misplaced) return refuse(ctx, caller, `${misplaced} must be sent in the body of the request.`);
  if (ctx.method !== 'POST') return req;
  const body = await readBody(req, BODY_LIMIT);
  if (hasNul(body)) return refuse(ctx, caller, 'A parameter contains a NUL character.');
  if (name === 'pushed_authorization_request' && isUnsigned(new URLSearchParams(body.toString()).get('request') ?? '')) {
    return refuse(ctx, caller, 'Unsigned request objects are not supported.', 'request_not_supported');
  }
  return name === 'authorization' || name === 'end_session' ? asAddress(ctx, body) : unread(req, body);
}

/**
 * A request that came as a form goes on as an address. Browsers leave our SameSite=Lax cookies out of a form that another site
 * sends, and would seem signed out; they bring them along when we send them to the same request as a GET. What is too long
 * for that is answered at once, which costs a person who is signed in another sign-in.
 * @see OpenID Connect Core 3.1.2.1, RP-Initiated Logout 2
 */
function asAddress(ctx: Context, body: Buffer): IncomingMessage | undefined {
  if (!isForm(ctx.req)) throw unsupportedMediaType();
  // Both places together, so that a parameter in each is one that was sent twice.
  const parameters = new URLSearchParams(`${ctx.querystring}&${body.toString('utf8')}`);
  const address = `${ctx.path}?${parameters}`;
  if (address.length > LONGEST_ADDRESS) return asGet(ctx.req, address);
  ctx.redirect(address);
  ctx.status = 303;
  return undefined;
}

/** The engine looks only at the cookie: one of another flow, put in its place, would continue that one. S-154 */
function checkResumed(ctx: Context, provider: Provider): void {
  const { cookies } = provider.createContext(ctx.req, ctx.res);
  const carried = cookies.get(provider.cookieName('resume'), { signed: true });
  if (carried !== resumedInteraction(ctx.path)) throw interactionExpired();
}

/** @see RFC 6749 5.2 */
function refuse(ctx: Context, caller: Caller, description: string, error = 'invalid_request'): undefined {
  if (caller === 'browser') throw badRequest(undefined, description);
  ctx.status = 400;
  ctx.body = { error, error_description: description };
  return undefined;
}

/** What the engine answered, unless a screen of the service did. Headers are on the response both share. */
function handOver(ctx: Context, { status, body }: EngineContext): void {
  if (ctx.body !== undefined && ctx.body !== null) return;
  ctx.status = status;
  if (body === undefined || body === null) return;
  allowSelfSubmission(ctx, body);
  ctx.body = body;
}
