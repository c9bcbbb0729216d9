import type { IncomingMessage } from 'node:http';
import type { Caller } from './caller.ts';
import { credentialHeaders } from './credentials.ts';
import { metadataResponse } from './metadata-response.ts';
import { createProtectedResource, type ProtectedResourceOptions } from './protected-resource.ts';
import type { Verifier } from './verifier.ts';

/** `new Koa<CallerState>()` or `new Router<CallerState>()` gives `ctx.state.caller` its type. */
export interface CallerState {
  caller: Caller;
}

/** The part of Koa's context that is used here: no dependency on Koa, not even for types. */
interface KoaContext {
  readonly req: IncomingMessage;
  readonly method: string;
  readonly originalUrl: string;
  readonly path: string;
  readonly ip: string;
  // biome-ignore lint/suspicious/noExplicitAny: an application's own state type must be assignable
  state: any;
  status: number;
  body: unknown;
  set(field: string, value: string | string[]): void;
}

export type KoaMiddleware = (ctx: KoaContext, next: () => Promise<unknown>) => Promise<void>;

export interface KoaProtectedResource {
  /** Requires an access token and puts its Caller into `ctx.state.caller`; answers 400, 401, 403 or 503 itself. */
  readonly authenticate: KoaMiddleware;
  /** Requires all these scopes, and a token to have them. */
  requireScope(...scopes: string[]): KoaMiddleware;
  /** Serves the RFC 9728 document at its own path and passes everything else on. */
  readonly metadata: KoaMiddleware;
}

/**
 * Protects a Koa application.
 *
 * @throws TypeError as createProtectedResource does
 */
export function protectedResource(verifier: Verifier, options?: ProtectedResourceOptions): KoaProtectedResource {
  const resource = createProtectedResource(verifier, options);

  /** A proof works once, so a request is authenticated once, however many guards stand in its way. */
  async function callerOf(ctx: KoaContext): Promise<Caller | undefined> {
    if (ctx.state.caller) return ctx.state.caller;
    const result = await resource.authenticate(credentialHeaders(ctx.req), ctx.method, ctx.originalUrl, ctx.ip);
    if (result.refusal) {
      send(ctx, result.refusal.status, result.refusal.headers, JSON.stringify(result.refusal.body));
      return undefined;
    }
    for (const [name, value] of Object.entries(result.headers)) ctx.set(name, value);
    ctx.state.caller = result.caller;
    return result.caller;
  }

  function guard(scopes: readonly string[]): KoaMiddleware {
    return async (ctx, next) => {
      const caller = await callerOf(ctx);
      if (!caller) return;
      const refusal = resource.authorize(caller, scopes);
      if (refusal) send(ctx, refusal.status, refusal.headers, JSON.stringify(refusal.body));
      else await next();
    };
  }

  return {
    authenticate: guard([]),
    requireScope: (...scopes) => guard(scopes),
    async metadata(ctx, next) {
      if (ctx.path !== resource.metadataPath) {
        await next();
        return;
      }
      const { status, headers, body } = metadataResponse(resource, ctx.method);
      send(ctx, status, headers, body);
    },
  };
}

function send(
  ctx: KoaContext,
  status: number,
  headers: Readonly<Record<string, string | readonly string[]>>,
  body: string,
): void {
  ctx.status = status;
  for (const [name, value] of Object.entries(headers)) ctx.set(name, typeof value === 'string' ? value : [...value]);
  ctx.body = body;
}
