import type { IncomingMessage } from 'node:http';

const FORM = 'application/x-www-form-urlencoded';

export function isForm({ headers }: IncomingMessage): boolean {
  return (headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase() === FORM;
}

/** PostgreSQL text cannot hold NUL, and no protocol parameter has one. */
export function hasNul(body: Buffer): boolean {
  return body.includes(0) || body.includes('%00');
}

/** The same request with its body unread again, so that the engine reads what we have checked. */
export function unread(request: IncomingMessage, body: Buffer): IncomingMessage {
  return Object.create(request, {
    readable: { value: true },
    readableEncoding: { value: null },
    iterator: { value: () => once(body) },
  });
}

/** The same request as if it had been a GET to this address. */
export function asGet(request: IncomingMessage, url: string): IncomingMessage {
  return Object.create(request, { method: { value: 'GET' }, url: { value: url } });
}

async function* once(body: Buffer): AsyncGenerator<Buffer> {
  yield body;
}
