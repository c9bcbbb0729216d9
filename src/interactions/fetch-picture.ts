import { createOutbound, type OutboundOptions } from '../platform/http/outbound.ts';
import type { FetchPicture } from './client-logo.ts';

const TYPES = ['image/png', 'image/jpeg', 'image/webp', 'image/gif', 'image/avif', 'image/svg+xml'];
const LARGEST = 256 * 1024;

/** Pictures that applications name: never from inside our network, on one's own machine also from there. S-176 */
export function createPictureFetcher({ allowLoopback }: Pick<OutboundOptions, 'allowLoopback'>): FetchPicture {
  const outbound = createOutbound({ allowLoopback });
  return async function fetchPicture(url) {
    const { status, headers, body } = await outbound(url, { headers: { Accept: TYPES.join(', ') }, largest: LARGEST });
    const type = (headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
    return status === 200 && TYPES.includes(type) ? { type, body } : undefined;
  };
}
