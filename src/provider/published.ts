import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { STRICT_TRANSPORT } from '../platform/http/security-headers.ts';
import type { Provider } from './engine.ts';

/** @see KEYS.md: half a minute of rotation warm-up hangs on these numbers */
const CACHE_CONTROL = 'public, max-age=300, stale-while-revalidate=60, stale-if-error=86400';

interface Published {
  body: Buffer;
  etag: string;
  headers: Record<string, string | number>;
}

export type PublishedDocuments = ReadonlyMap<string, Published>;

const METADATA_PATHS = ['/.well-known/openid-configuration', '/.well-known/oauth-authorization-server'];
const JWKS_PATH = '/.well-known/jwks.json';

/**
 * Discovery and keys as finished bytes, made once for a key set by the engine's own actions, so that they say what it does.
 * They need no database to be served.
 */
export async function publish(provider: Provider): Promise<PublishedDocuments> {
  const secure = provider.issuer.startsWith('https:');
  const metadata = withoutUndefined(await answerOf(provider, METADATA_PATHS[0]!));
  const keys = withoutUndefined(await answerOf(provider, JWKS_PATH));
  return new Map([
    ...METADATA_PATHS.map((path) => [path, prepare(metadata, 'application/json; charset=utf-8', secure)] as const),
    [JWKS_PATH, prepare(keys, 'application/jwk-set+json; charset=utf-8', secure)],
  ]);
}

/**
 * Answers when the request is for one of the documents, by a method that reads: whoever tries another gets the error of the
 * rest of the service, a page or a problem document. Works on Node's own request and response, so that a server can ask it
 * before anything else has cost anything.
 */
export function answerPublished(documents: PublishedDocuments, req: IncomingMessage, res: ServerResponse): boolean {
  const url = req.url ?? '';
  const query = url.indexOf('?');
  const document = documents.get(query < 0 ? url : url.slice(0, query));
  if (!document) return false;
  if (req.method === 'OPTIONS') return answerPreflight(req, res);
  if (req.method !== 'GET' && req.method !== 'HEAD') return false;
  if (matches(req.headers['if-none-match'], document.etag)) {
    const { 'Content-Length': _, 'Content-Type': __, ...headers } = document.headers;
    res.writeHead(304, headers).end();
    return true;
  }
  res.writeHead(200, document.headers);
  res.end(req.method === 'HEAD' ? undefined : document.body);
  return true;
}

function answerPreflight(req: IncomingMessage, res: ServerResponse): true {
  const asked = req.headers['access-control-request-headers'];
  res.writeHead(204, {
    'Access-Control-Allow-Origin': '*',
    'Access-Control-Allow-Methods': 'GET, HEAD',
    ...(asked !== undefined && { 'Access-Control-Allow-Headers': asked, Vary: 'Access-Control-Request-Headers' }),
    'Access-Control-Max-Age': '3600',
  });
  res.end();
  return true;
}

function prepare(content: object, type: string, secure: boolean): Published {
  const body = Buffer.from(JSON.stringify(content));
  const etag = `"${createHash('sha256').update(body).digest('base64url')}"`;
  return {
    body,
    etag,
    headers: {
      'Content-Type': type,
      'Content-Length': body.length,
      ETag: etag,
      'Cache-Control': CACHE_CONTROL,
      'Access-Control-Allow-Origin': '*',
      'Cross-Origin-Resource-Policy': 'cross-origin',
      'X-Content-Type-Options': 'nosniff',
      ...(secure && { 'Strict-Transport-Security': STRICT_TRANSPORT }),
    },
  };
}

/** @see RFC 9110 13.1.2: a list, weak or strong alike, or anything */
function matches(given: string | undefined, etag: string): boolean {
  if (given === undefined) return false;
  return given.split(',').some((part) => ['*', etag, `W/${etag}`].includes(part.trim()));
}

/** Asks the engine as a request would, without a network. */
async function answerOf(provider: Provider, url: string): Promise<object> {
  const headers: Record<string, string> = {};
  const req = { method: 'GET', url, headers, socket: {} } as unknown as IncomingMessage;
  const res = {
    statusCode: 404,
    headersSent: false,
    setHeader: () => {},
    getHeader: () => undefined,
    getHeaders: () => ({}),
    hasHeader: () => false,
    removeHeader: () => {},
  } as unknown as ServerResponse;
  const ctx = provider.createContext(req, res);
  await provider.middleware[0]!(ctx as never, async () => {});
  if (!ctx.body || res.statusCode !== 200) throw new Error(`the engine has no answer for ${url}`);
  return ctx.body as object;
}

function withoutUndefined(content: object): object {
  return JSON.parse(JSON.stringify(content));
}
