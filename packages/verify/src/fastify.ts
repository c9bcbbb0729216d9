import type { IncomingMessage } from 'node:http';
import type {} from 'fastify'; // its types only: they are extended below
import type { Caller } from './caller.ts';
import { credentialHeaders } from './credentials.ts';
import { metadataResponse } from './metadata-response.ts';
import { createProtectedResource, type ProtectedResourceOptions } from './protected-resource.ts';
import type { Verifier } from './verifier.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by `authenticate` and `requireScope` of @daemun/verify; `null` before. */
    caller: Caller | null;
  }
}

/** The parts of Fastify that are used here: no dependency on Fastify, not even for types. */
interface FastifyRequest {
  readonly raw: IncomingMessage;
  readonly method: string;
  readonly originalUrl: string;
  readonly ip: string;
  caller: Caller | null;
}

interface FastifyReply {
  code(status: number): unknown;
  header(name: string, value: unknown): unknown;
  send(payload: Buffer): unknown;
}

interface FastifyInstance {
  decorateRequest(name: 'caller', value: null): unknown;
  all(path: string, options: { onRequest: FastifyHook }, handler: () => void): unknown;
}

/** For `onRequest` (before the body is read, the better place) or `preHandler`, of a route or of everything. */
export type FastifyHook = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;

export interface FastifyProtectedResource {
  /** Declares `request.caller` and serves the RFC 9728 document. Register it first. */
  plugin(instance: FastifyInstance, options: unknown, done: () => void): void;
  /** Requires an access token and puts its Caller into `request.caller`; answers 400, 401, 403 or 503 itself. */
  readonly authenticate: FastifyHook;
  /** Requires all these scopes, and a token to have them. */
  requireScope(...scopes: string[]): FastifyHook;
}

/**
 * Protects a Fastify application.
 *
 * @throws TypeError as createProtectedResource does
 */
export function protectedResource(verifier: Verifier, options?: ProtectedResourceOptions): FastifyProtectedResource {
  const resource = createProtectedResource(verifier, options);

  function plugin(instance: FastifyInstance, _options: unknown, done: () => void): void {
    instance.decorateRequest('caller', null);
    instance.all(resource.metadataPath, { onRequest: answerWithMetadata }, () => {});
    done();
  }

  /** A hook, because the handler of a wrong method would come behind the parsing of a body that nobody wants. */
  async function answerWithMetadata(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const { status, headers, body } = metadataResponse(resource, request.method);
    return send(reply, status, headers, body);
  }

  function guard(scopes: readonly string[]): FastifyHook {
    return async (request, reply) => {
      // a proof works once, so a request is authenticated once, however many guards stand in its way
      if (!request.caller) {
        const headers = credentialHeaders(request.raw);
        const result = await resource.authenticate(headers, request.method, request.originalUrl, request.ip);
        if (result.refusal)
          return send(reply, result.refusal.status, result.refusal.headers, JSON.stringify(result.refusal.body));
        for (const [name, value] of Object.entries(result.headers)) reply.header(name, value);
        request.caller = result.caller;
      }
      const refusal = resource.authorize(request.caller, scopes);
      return refusal && send(reply, refusal.status, refusal.headers, JSON.stringify(refusal.body));
    };
  }

  return {
    // what fastify-plugin would set: the decoration is for the application, not for a scope of its own
    plugin: Object.assign(plugin, { [Symbol.for('skip-override')]: true }),
    authenticate: guard([]),
    requireScope: (...scopes) => guard(scopes),
  };
}

function send(
  reply: FastifyReply,
  status: number,
  headers: Readonly<Record<string, string | readonly string[]>>,
  body: string,
): FastifyReply {
  reply.code(status);
  for (const [name, value] of Object.entries(headers)) reply.header(name, value);
  reply.send(Buffer.from(body)); // to text Fastify would add a charset, which JSON has none of
  return reply;
}
