import type { IncomingMessage, RequestListener } from 'node:http';
import { createBoundedLog } from '../bounded-log.ts';
import type { Logger } from '../logger.ts';
import { canonicalAddress, networkKind, trustedBy } from './client-address.ts';

const HOUR = 3_600_000;

export interface UntrustedProxiesOptions {
  trustedProxies: string[];
  logger: Pick<Logger, 'warn'>;
  /** Milliseconds. */
  now?: () => number;
}

/**
 * Tells an operator whose proxy is not in TRUSTED_PROXIES, where everybody seems to come from one address and soon meets its limits.
 * Strangers can send these headers too, so of each kind of network (a short list: loopback, private, unicast …) it is said once an hour.
 */
export function noteUntrustedProxies(options: UntrustedProxiesOptions, listener: RequestListener): RequestListener {
  const { logger, now } = options;
  const trusts = trustedBy(options.trustedProxies);
  const mayLog = createBoundedLog({ lines: 1, period: HOUR, ...(now && { now }) });

  function note({ socket }: IncomingMessage, header: string): void {
    const peer = canonicalAddress(socket.remoteAddress ?? '');
    if (peer === undefined || trusts(peer)) return;
    const network = networkKind(peer);
    const leftOut = mayLog(network);
    if (leftOut === undefined) return;
    logger.warn(
      { header, peer, network, leftOut },
      'a request says whom it was forwarded for, and its peer is not in TRUSTED_PROXIES: the header is ignored, and all who come through that peer count as one. If it is your proxy, add its address to TRUSTED_PROXIES',
    );
  }

  return (req, res) => {
    const { headers } = req;
    if (headers['x-forwarded-for'] !== undefined) note(req, 'X-Forwarded-For');
    else if (headers.forwarded !== undefined) note(req, 'Forwarded');
    listener(req, res);
  };
}
