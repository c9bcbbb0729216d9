import type { RequestListener } from 'node:http';
import { canonicalAddress, trustedBy } from '../http/client-address.ts';
import { type NameRoute, nameMethod } from '../http/request-metrics.ts';
import type { Tracing } from './tracing.ts';

export interface TraceRequestsOptions {
  nameRoute: NameRoute;
  /** Probes, which would be most of what there is to see. By path. */
  isLeftOut(path: string): boolean;
  trustedProxies: string[];
}

/**
 * A span for each request. What a proxy of ours says in `traceparent` is its parent; what anybody else says is a link beside it, so
 * that strangers can neither write into our traces nor decide which are kept.
 */
export function traceRequests(
  tracing: Tracing,
  { nameRoute, isLeftOut, trustedProxies }: TraceRequestsOptions,
  listener: RequestListener,
): RequestListener {
  if (!tracing.isOn) return listener;
  const trusts = trustedBy(trustedProxies);
  return (req, res) => {
    const { url = '/', headers } = req;
    const query = url.indexOf('?');
    const path = query < 0 ? url : url.slice(0, query);
    if (isLeftOut(path)) return listener(req, res);
    const method = nameMethod(req.method);
    const route = nameRoute(path, method) ?? 'other';
    const { traceparent } = headers;
    const request = {
      name: `${method} ${route}`,
      attributes: { 'http.request.method': method, 'http.route': route },
      traceparent: typeof traceparent === 'string' ? traceparent : undefined,
      isTrusted: trusts(canonicalAddress(req.socket.remoteAddress ?? '') ?? '0.0.0.0'),
    };
    tracing.serve(request, (span) => {
      res.once('close', () => {
        const { statusCode } = res;
        const requestId = res.getHeader('x-request-id');
        span.end({
          attributes: {
            'http.response.status_code': statusCode,
            ...(typeof requestId === 'string' && { 'daemun.request_id': requestId }),
          },
          ...(statusCode >= 500 && { error: { code: String(statusCode) } }),
          ...(!res.writableFinished && { error: { code: 'aborted' } }),
        });
      });
      listener(req, res);
    });
  };
}
