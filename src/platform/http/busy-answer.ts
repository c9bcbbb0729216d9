import type { IncomingMessage, ServerResponse } from 'node:http';
import { errorKinds } from '../errors.ts';
import { type PageWords, preparePage } from './prepared-page.ts';

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

const TOO_SLOW = 'The request took too long to arrive.\n';

/** What both say to people, in each language; the first one is that of whoever says none. */
export interface BusyWords {
  busy: readonly PageWords[];
  tooSlow: readonly PageWords[];
}

/** Who asks at this place. */
interface Whose {
  /** Programs that speak OAuth. */
  isProgram: boolean;
  /** People, perhaps. */
  hasPages: boolean;
}

export interface BusyAnswers {
  /** To whom there is no room for. */
  busy(req: IncomingMessage, res: ServerResponse, whose: Whose): void;
  /** To who has not sent the whole request by now: no want of room of ours. @see RFC 9110 15.5.9 */
  tooSlow(req: IncomingMessage, res: ServerResponse, whose: Whose): void;
}

/**
 * Answers that cost next to nothing: an OAuth error where programs call, a prepared page for browsers, problem details for everybody
 * else.
 * @see RFC 6749 5.2, RFC 9110 15.6.4, RFC 9457
 */
export function createBusyAnswers({ busy, tooSlow }: BusyWords): BusyAnswers {
  const answerBusyPage = preparePage(busy);
  const answerSlowPage = preparePage(tooSlow);
  return {
    busy(req, res, { isProgram, hasPages }) {
      const headers = { 'Retry-After': String(SOONEST + Math.floor(Math.random() * SPREAD)) };
      if (isProgram) answerText(req, res, 503, 'application/json; charset=utf-8', OAUTH_ERROR, headers);
      else if (hasPages && wantsPage(req)) answerBusyPage(req, res, 503, headers);
      else answerText(req, res, 503, 'application/problem+json', PROBLEM, headers);
    },
    tooSlow(req, res, { hasPages }) {
      const headers = { Connection: 'close' };
      if (hasPages && wantsPage(req)) answerSlowPage(req, res, 408, headers);
      else answerText(req, res, 408, 'text/plain; charset=utf-8', TOO_SLOW, headers);
    },
  };
}

function wantsPage({ headers }: IncomingMessage): boolean {
  return (headers.accept ?? '').includes('text/html');
}

function answerText(
  { method }: IncomingMessage,
  res: ServerResponse,
  status: number,
  type: string,
  body: string,
  headers: object,
): void {
  res.writeHead(status, {
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    ...headers,
  });
  res.end(method === 'HEAD' ? undefined : body);
}
