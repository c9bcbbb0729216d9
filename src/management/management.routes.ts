import { METHODS } from 'node:http';
import Router from '@koa/router';
import type { Context, Middleware } from 'koa';
import { OWN_API_PATH, OWN_API_SCOPES, ownApiIdentifier } from '../api-keys/own-api.ts';
import type { AuditContext } from '../audit/audit.ts';
import { sha256 } from '../platform/sha256.ts';
import { type ApiKeysRoutesOptions, apiKeyHandlers } from './api-keys.routes.ts';
import type { Caller } from './caller.ts';
import { createFoundKeyQueue } from './found-key-queue.ts';
import { foundKeyHandlers, type SecretScanningOptions, secretScanningHandlers } from './found-keys.routes.ts';
import { createGuard, type GuardOptions, METADATA_PATH } from './guard.ts';
import { type MeOptions, meHandlers } from './me.routes.ts';
import { openApiDocument } from './openapi.ts';
import type { Handler, OperationSpec } from './operation.ts';
import { operations } from './operations.ts';
import { readJson, readQuery } from './request-input.ts';
import { type ServiceAccountOptions, serviceAccountHandlers } from './service-accounts.routes.ts';
import { type UserOptions, userHandlers } from './users.routes.ts';

export type ManagementRoutesOptions = GuardOptions &
  MeOptions &
  ApiKeysRoutesOptions &
  ServiceAccountOptions &
  UserOptions &
  Omit<SecretScanningOptions, 'lookForEach'>;

export const OPENAPI_PATH = `${OWN_API_PATH}/openapi.json`;

/** Whoever asks here is a program, whatever it says it accepts. */
export function isManagementPath(path: string): boolean {
  return path.startsWith('/api/') || path === METADATA_PATH;
}

/** Every address of our own API, made of what `operations` says of it. */
export function createManagementRoutes(options: ManagementRoutesOptions): Router {
  const { issuer } = options;
  const guard = createGuard(options);
  const lookForEach = createFoundKeyQueue();
  const handlers: Record<string, Handler<never>> = {
    ...meHandlers(options),
    ...foundKeyHandlers({ ...options, lookForEach }),
    ...apiKeyHandlers(options),
    ...serviceAccountHandlers(options),
    ...userHandlers(options),
    ...secretScanningHandlers({ ...options, lookForEach }),
  };
  // One spelling per path. S-171. Every method that reaches us is known, so that the wrong one is 405 and never 501.
  const routes = new Router({ sensitive: true, strict: true, methods: METHODS });
  routes.get(METADATA_PATH, protectedResourceMetadata(issuer));
  routes.get(OPENAPI_PATH, openApi(issuer));
  for (const [name, spec] of Object.entries(operations)) {
    const path = `${OWN_API_PATH}${spec.path.replaceAll(/\{(\w+)\}/g, ':$1')}`;
    routes.register(path, [spec.method], answering(name, spec, handlers[name] as unknown as Handler, guard));
  }
  return routes;
}

function answering(
  name: string,
  spec: OperationSpec,
  handle: Handler,
  guard: ReturnType<typeof createGuard>,
): Middleware {
  return async function operation(ctx) {
    ctx.set('Cache-Control', 'no-store');
    Object.assign(ctx.state, { operation: name });
    const { address, requestId } = ctx.state as { address: string; requestId: string };
    const caller = spec.scopes === 'public' ? undefined : await guard(ctx, spec, { address, requestId });
    const query = readQuery(ctx, spec.query);
    const body = await readJson(ctx, spec);
    const by: AuditContext = { address, requestId, ...(caller && actingThrough(caller)) };
    const params = (ctx as Context & { params: Record<string, string> }).params;
    const answer = await handle({ ctx, caller: caller as Caller, query, body, params, by } as never);
    ctx.status = spec.answer.status;
    if (answer === undefined) ctx.body = spec.answer.status === 204 ? null : '';
    else ctx.body = answer;
  };
}

/** When it was not the person who did it, but something that they gave away. */
function actingThrough({ apiKeyId, clientId }: Caller): Pick<AuditContext, 'actor'> {
  if (apiKeyId !== undefined) return { actor: `api_key:${apiKeyId}` };
  return clientId === undefined ? {} : { actor: `client:${clientId}` };
}

/** @see RFC 9728 2 */
function protectedResourceMetadata(issuer: string): Middleware {
  const body = JSON.stringify({
    resource: ownApiIdentifier(issuer),
    authorization_servers: [issuer],
    scopes_supported: OWN_API_SCOPES.map(({ name }) => name),
    bearer_methods_supported: ['header'],
    resource_name: 'Daemun',
  });
  return (ctx) => {
    ctx.type = 'application/json';
    ctx.set('Access-Control-Allow-Origin', '*');
    ctx.body = body;
  };
}

function openApi(issuer: string): Middleware {
  let made: Promise<{ text: string; tag: string }> | undefined;
  async function make() {
    const text = JSON.stringify(await openApiDocument(issuer));
    return { text, tag: `"${sha256(text).toString('base64url').slice(0, 22)}"` };
  }
  return async (ctx) => {
    made ??= make();
    const { text, tag } = await made;
    ctx.set('ETag', tag);
    ctx.set('Cache-Control', 'no-cache');
    ctx.status = 200;
    if (ctx.fresh) {
      ctx.status = 304;
      return;
    }
    ctx.type = 'application/json';
    ctx.body = text;
  };
}
