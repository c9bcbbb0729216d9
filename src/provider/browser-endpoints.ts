import type { Context, Middleware } from 'koa';
import { interactionExpired, methodNotAllowed, unavailable } from '../platform/errors.ts';
import type { EngineContext, Provider } from './engine.ts';
import { allowSelfSubmission } from './engine-pages.ts';
import { readFromBrowser } from './incoming-request.ts';
import { findBrowserRoute, resumedInteraction } from './routes.ts';
import { failureOf, type ServingEngine } from './serving-engine.ts';

export interface BrowserEndpointsOptions {
  current: () => ServingEngine;
  /** Whether what happens can still be recorded. */
  hasRoom(): boolean;
  /** @throws AppError too_many_requests */
  limitSignOuts(ctx: Context): Promise<void>;
}

/** The page context behind the engine's own, for screens that belong to the rest of the service. */
const pages = new WeakMap<object, Context>();

export function pageContextOf(ctx: EngineContext): Context {
  return pages.get(ctx)!;
}

/**
 * Leads browsers to the engine: exact paths and methods only. The engine gets a context of its own, because two things of ours
 * must not reach it: the `Host` of the request, and the cookie keys of the rest of the service.
 */
export function browserEndpoints({ current, hasRoom, limitSignOuts }: BrowserEndpointsOptions): Middleware {
  return async function browserEndpoints(ctx, next) {
    const { provider, documents, answerBrowser, afterBrowser } = current();
    // By the methods that read, they are answered before requests come here.
    if (documents.has(ctx.path)) refuseMethod(ctx, ['GET', 'HEAD', 'OPTIONS']);
    const route = findBrowserRoute(ctx.path);
    if (!route) return next();
    ctx.set('Cache-Control', 'no-store');
    if (!route.methods.includes(ctx.method)) refuseMethod(ctx, route.methods);
    if (!hasRoom()) throw unavailable(1);
    const request = await readFromBrowser(ctx, route);
    if (!request) return;
    if (route.name === 'end_session') await limitSignOuts(ctx);
    if (route.name === 'resume') checkResumed(ctx, provider);

    const engineContext = provider.createContext(request, ctx.res) as unknown as EngineContext;
    engineContext.state = ctx.state;
    pages.set(engineContext, ctx);
    await answerBrowser(engineContext);
    const failure = failureOf(engineContext);
    if (failure) throw failure;
    await afterBrowser(engineContext);
    handOver(ctx, engineContext);
  };
}

function refuseMethod(ctx: Context, allowed: readonly string[]): never {
  ctx.set('Allow', allowed.join(', '));
  throw methodNotAllowed();
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
