import type { IncomingMessage, ServerResponse } from 'node:http';
import { clientAddress, trustedBy } from './client-address.ts';
import type { NameRoute } from './request-metrics.ts';

export interface RefusalsOptions {
  trustedProxies: string[];
  nameRoute: NameRoute;
  tell(of: { status: 401 | 403; route: string }, by: { address: string; requestId?: string }): void;
}

/** Tells of answers that refuse a permission, whoever gave them. For `shedOverload`, which sees the end of each request. */
export function noteRefusals({ trustedProxies, nameRoute, tell }: RefusalsOptions) {
  const trusts = trustedBy(trustedProxies);
  return (req: IncomingMessage, res: ServerResponse): void => {
    const { statusCode: status } = res;
    if (status !== 401 && status !== 403) return;
    const { url = '/', method = '' } = req;
    const query = url.indexOf('?');
    const requestId = res.getHeader('x-request-id');
    tell(
      { status, route: nameRoute(query < 0 ? url : url.slice(0, query), method) ?? 'other' },
      {
        address: clientAddress(req.socket.remoteAddress, req.headers['x-forwarded-for'] as string | undefined, trusts),
        ...(typeof requestId === 'string' && { requestId }),
      },
    );
  };
}
