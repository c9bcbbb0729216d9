import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';

const FORM = 'application/x-www-form-urlencoded';

/** A form in UTF-8 and in clear: the one kind of body that every endpoint takes. */
export function isForm({ headers }: IncomingMessage): boolean {
  if (headers['content-type'] === FORM && headers['content-encoding'] === undefined) return true;
  const [type = '', ...parameters] = (headers['content-type'] ?? '').toLowerCase().split(';');
  const charset = parameters.map((text) => text.trim().split('=')).find(([name]) => name === 'charset')?.[1];
  const encoding = headers['content-encoding'] ?? 'identity';
  return (
    type.trim() === FORM &&
    (charset === undefined || charset.replaceAll('"', '') === 'utf-8') &&
    encoding.toLowerCase() === 'identity'
  );
}

/** PostgreSQL text cannot hold NUL, and no protocol parameter has one. */
export function hasNul(form: string): boolean {
  return form.includes('\0') || form.includes('%00');
}

/** The same request with its body unread again: what was checked is what the engine reads. */
export function withBody(request: IncomingMessage, body: Buffer): IncomingMessage {
  return Object.create(request, Object.getOwnPropertyDescriptors(unread(body)));
}

/** All that the engine asks of a request when it reads a body. */
export function unread(body: Buffer): Pick<IncomingMessage, 'readable' | 'readableEncoding' | 'iterator'> {
  return { readable: true, readableEncoding: null, iterator: (() => [body]) as never };
}

export function withHeaders(request: IncomingMessage, headers: IncomingHttpHeaders): IncomingMessage {
  return Object.create(request, { headers: { value: { ...request.headers, ...headers } } });
}

/**
 * The same request as if it had been a GET to this address. One that is, stays itself: what stands before another object makes a
 * prototype of it, and nothing that V8 learnt about requests holds for it any more.
 */
export function asGet(request: IncomingMessage, url: string): IncomingMessage {
  if (request.method === 'GET' && request.url === url) return request;
  return Object.create(request, { method: { value: 'GET' }, url: { value: url } });
}
