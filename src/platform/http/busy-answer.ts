import type { IncomingMessage, ServerResponse } from 'node:http';
import { errorKinds } from '../errors.ts';

/** Seconds; spread, so that those who were sent away together do not come back together. */
const SOONEST = 1;
const SPREAD = 3;

const OAUTH_ERROR = JSON.stringify({
  error: 'temporarily_unavailable',
  error_description: 'the service is partly unavailable, try again',
});
const PROBLEM = JSON.stringify({
  type: 'urn:daemun:error:unavailable',
  title: errorKinds.unavailable.text,
  status: 503,
  code: 'unavailable',
});

/**
 * The answer to whom there is no room for, which costs next to nothing: an OAuth error where programs call, one sentence for
 * browsers, problem details for everybody else.
 * @see RFC 6749 5.2, RFC 9110 15.6.4, RFC 9457
 */
export function answerBusy(req: IncomingMessage, res: ServerResponse, { isProgram }: { isProgram: boolean }): void {
  const isPage = !isProgram && (req.headers.accept ?? '').includes('text/html');
  const [type, body] = isProgram
    ? ['application/json; charset=utf-8', OAUTH_ERROR]
    : isPage
      ? ['text/plain; charset=utf-8', `${errorKinds.unavailable.text}\n`]
      : ['application/problem+json', PROBLEM];
  res.writeHead(503, {
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    'Retry-After': String(SOONEST + Math.floor(Math.random() * SPREAD)),
  });
  res.end(req.method === 'HEAD' ? undefined : body);
}

const TOO_SLOW = 'The request took too long to arrive.\n';

/** To who has not sent the whole request by now: no want of room of ours. @see RFC 9110 15.5.9 */
export function answerTooSlow(res: ServerResponse): void {
  res.writeHead(408, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': Buffer.byteLength(TOO_SLOW),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    Connection: 'close',
  });
  res.end(TOO_SLOW);
}
