import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Caller } from './caller.ts';
import { credentialHeaders } from './credentials.ts';
import { metadataResponse } from './metadata-response.ts';
import { createProtectedResource, type ProtectedResourceOptions } from './protected-resource.ts';
import type { Verifier } from './verifier.ts';

declare global {
  namespace Express {
    interface Request {
      /** Set by `authenticate` and `requireScope` of @daemun/verify. */
      caller?: Caller;
    }
  }
}

/** The part of Express's request that is used here: no dependency on Express, not even for types. */
interface ExpressRequest extends IncomingMessage {
  originalUrl: string;
  path: string;
  ip?: string | undefined;
  caller?: Caller;
}

export type ExpressMiddleware = (
  req: ExpressRequest,
  res: ServerResponse,
  next: (error?: unknown) => void,
) => Promise<void>;

export interface ExpressProtectedResource {
  /** Requires an access token and puts its Caller into `req.caller`; answers 400, 401, 403 or 503 itself. */
  readonly authenticate: ExpressMiddleware;
  /** Requires all these scopes, and a token to have them. */
  requireScope(...scopes: string[]): ExpressMiddleware;
  /** Serves the RFC 9728 document at its own path and passes everything else on. */
  readonly metadata: ExpressMiddleware;
}

/**
 * Protects an Express application (4 or 5).
 *
 * @throws TypeError as createProtectedResource does
 */
export function protectedResource(verifier: Verifier, options?: ProtectedResourceOptions): ExpressProtectedResource {
  const resource = createProtectedResource(verifier, options);

  /** A proof works once, so a request is authenticated once, however many guards stand in its way. */
  async function callerOf(req: ExpressRequest, res: ServerResponse): Promise<Caller | undefined> {
    if (req.caller) return req.caller;
    const result = await resource.authenticate(credentialHeaders(req), req.method ?? 'GET', req.originalUrl, req.ip);
    if (result.refusal) {
      send(res, result.refusal.status, result.refusal.headers, JSON.stringify(result.refusal.body));
      return undefined;
    }
    for (const [name, value] of Object.entries(result.headers)) res.setHeader(name, value);
    req.caller = result.caller;
    return result.caller;
  }

  function guard(scopes: readonly string[]): ExpressMiddleware {
    return async (req, res, next) => {
      try {
        const caller = await callerOf(req, res);
        if (!caller) return;
        const refusal = resource.authorize(caller, scopes);
        if (refusal) send(res, refusal.status, refusal.headers, JSON.stringify(refusal.body));
        else next();
      } catch (error) {
        next(error); // Express 4 does not look at promises
      }
    };
  }

  return {
    authenticate: guard([]),
    requireScope: (...scopes) => guard(scopes),
    async metadata(req, res, next) {
      if (req.originalUrl.split('?', 1)[0] !== resource.metadataPath) return next();
      const { status, headers, body } = metadataResponse(resource, req.method ?? 'GET');
      send(res, status, headers, body);
    },
  };
}

function send(
  res: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string | readonly string[]>>,
  body: string,
): void {
  res.statusCode = status;
  for (const [name, value] of Object.entries(headers)) res.setHeader(name, value);
  res.end(body);
}
