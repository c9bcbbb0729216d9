import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { STRICT_TRANSPORT } from '../platform/http/security-headers.ts';
import type { SigningKeySet } from '../signing-keys/key-set.ts';
import type { KeyPolicy } from '../signing-keys/timing.ts';
import type { Provider } from './engine.ts';
import { JWKS_PATH, METADATA_PATHS } from './routes.ts';

/** Together no longer than relying parties may keep a key set without missing the key that signs next. */
function cacheControl({ jwksMaxAge, cacheSupport }: KeyPolicy): string {
  const stale = Math.max(0, Math.floor(cacheSupport - jwksMaxAge));
  const revalidating = Math.min(60, stale);
  return `public, max-age=${Math.floor(jwksMaxAge)}, stale-while-revalidate=${revalidating}, stale-if-error=${stale}`;
}

/** Headers are name, value, name, value: finished as the rest is. */
interface Published {
  /** Of ASCII characters alone: then Node writes it and the headers at once, without a copy, and sooner than a buffer. */
  body: string;
  etag: string;
  headers: string[];
  headersOfNotModified: string[];
}

export type PublishedDocuments = ReadonlyMap<string, Published>;

/**
 * Discovery and keys as finished bytes, made once for a key set. Discovery comes from the engine's own action, so that it says
 * what the engine does; the keys are ours, the same bytes on every node. Neither needs a database to be served.
 */
export async function publish(
  provider: Provider,
  { keys }: SigningKeySet,
  policy: KeyPolicy,
): Promise<PublishedDocuments> {
  const common = {
    'Cache-Control': cacheControl(policy),
    ...(provider.issuer.startsWith('https:') && { 'Strict-Transport-Security': STRICT_TRANSPORT }),
  };
  const metadata = withoutUndefined(await answerOf(provider, METADATA_PATHS[0]!));
  const jwks = { keys: keys.map(({ publicJwk }) => publicJwk) };
  return new Map([
    ...METADATA_PATHS.map((path) => [path, prepare(metadata, 'application/json; charset=utf-8', common)] as const),
    [JWKS_PATH, prepare(jwks, 'application/jwk-set+json; charset=utf-8', common)],
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
    res.writeHead(304, document.headersOfNotModified).end();
    return true;
  }
  res.writeHead(200, document.headers);
  if (req.method === 'HEAD') res.end();
  else res.end(document.body, 'latin1');
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

function prepare(content: object, type: string, common: Record<string, string>): Published {
  const body = asciiJson(content);
  const etag = `"${createHash('sha256').update(body).digest('base64url')}"`;
  const always = {
    ETag: etag,
    'Access-Control-Allow-Origin': '*',
    'Cross-Origin-Resource-Policy': 'cross-origin',
    'X-Content-Type-Options': 'nosniff',
    ...common,
  };
  const ofContent = { 'Content-Type': type, 'Content-Length': String(body.length) };
  return {
    body,
    etag,
    headers: Object.entries({ ...ofContent, ...always }).flat(),
    headersOfNotModified: Object.entries(always).flat(),
  };
}

/** @see RFC 8259 7: any character may be escaped */
function asciiJson(content: object): string {
  return JSON.stringify(content).replace(
    /[^\x20-\x7e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
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
