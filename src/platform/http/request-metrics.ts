import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Metrics } from '../metrics.ts';

/** Of how many addresses an answer may be, there are few names for them. Undefined for what is no address of ours. */
export type NameRoute = (path: string, method: string) => string | undefined;

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PATCH', 'DELETE', 'OPTIONS']);

/** A method that we have, or `other`: strangers choose no names in figures and traces. */
export function nameMethod(method = ''): string {
  return METHODS.has(method) ? method : 'other';
}

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Counts requests and how long they took, from when they could be read until the answer was handed over. Where nobody reads figures it is the listener itself. */
export function measureRequests(metrics: Metrics, nameRoute: NameRoute, listener: RequestListener): RequestListener {
  if (!metrics.isRead) return listener;
  const count = metrics.counter('daemun_http_requests_total', 'Requests answered.', ['route', 'method', 'status']);
  const observe = metrics.histogram(
    'daemun_http_request_seconds',
    'From the head of a request to the end of its answer.',
    ['route'],
    SECONDS,
  );

  return (req: IncomingMessage, res: ServerResponse & { req: IncomingMessage }) => {
    const start = performance.now();
    const { url = '/', method = '' } = req;
    res.once('close', () => {
      const query = url.indexOf('?');
      const route = nameRoute(query < 0 ? url : url.slice(0, query), method) ?? 'other';
      // Whoever left before the end has seen no status.
      const status = res.writableFinished ? String(res.statusCode) : 'aborted';
      count({ route, method: nameMethod(method), status });
      observe((performance.now() - start) / 1000, { route });
    });
    listener(req, res);
  };
}
