import { lookup } from 'node:dns';
import { type IncomingHttpHeaders, type IncomingMessage, request as requestPlainly } from 'node:http';
import { type RequestOptions, request as requestSecurely } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { isLoopbackAddress, isPublicAddress } from './public-address.ts';

const LARGEST = 64 * 1024;
const DEADLINE = 5_000;

export interface OutboundOptions {
  /** Also asks this very machine, and that over plain http too. For development. */
  allowLoopback?: boolean;
  /** Certificates to trust beside the usual ones. */
  ca?: string;
}

export interface OutboundRequest {
  method?: string;
  /** All that is sent along: there are no cookies and no credentials of ours. */
  headers?: Record<string, string>;
  body?: string | Uint8Array;
  /** Milliseconds for everything together, from the look-up of the name to the last byte: 5 seconds unless told. */
  deadline?: number;
  /** Bytes of the answer: 64 KiB unless told. */
  largest?: number;
  /** Ends the request earlier. */
  signal?: AbortSignal;
}

export interface OutboundAnswer {
  /** Anything but a redirect. */
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer<ArrayBuffer>;
}

/** @throws OutboundError */
export type Outbound = (url: string | URL, request?: OutboundRequest) => Promise<OutboundAnswer>;

export type OutboundProblem = 'not_allowed' | 'redirected' | 'too_large' | 'too_slow' | 'unreachable' | 'not_json';

/** Why there is no answer. The text is for the log: it names hosts. */
export class OutboundError extends Error {
  readonly code: OutboundProblem;

  constructor(code: OutboundProblem, text: string, cause?: unknown) {
    super(text, cause === undefined ? undefined : { cause });
    this.name = 'OutboundError';
    this.code = code;
  }
}

/**
 * The one way out: asks servers that others name. Public addresses only, and the one that was checked is the one that is connected
 * to; https only; no redirects, which would lead anywhere; nothing of ours sent along; bounded in time and size. S-176
 */
export function createOutbound({ allowLoopback = false, ca }: OutboundOptions = {}): Outbound {
  return async function outbound(url, { deadline = DEADLINE, largest = LARGEST, signal, ...given } = {}) {
    const target = new URL(url);
    const allows = allowedBy(target.protocol, allowLoopback);
    const host = target.hostname.replace(/^\[|\]$/g, '');
    // An address needs no look-up, so it would pass by the check there.
    if (isIP(host) && !allows(host)) throw new OutboundError('not_allowed', `${host} is not a public address`);
    const limit = AbortSignal.timeout(deadline);
    const options: RequestOptions = {
      method: given.method ?? 'GET',
      // Compressed, a small answer can be an endless one.
      headers: { 'Accept-Encoding': 'identity', ...given.headers },
      lookup: lookupOf(allows),
      agent: false,
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
      ...(ca !== undefined && { ca }),
    };
    try {
      return await exchange(target, options, given.body, largest);
    } catch (failure) {
      if (limit.aborted) throw new OutboundError('too_slow', `${target.origin} took too long`, failure);
      if ((failure as Error).name === 'OutboundError') throw failure;
      throw new OutboundError('unreachable', `${target.origin} could not be asked`, failure);
    }
  };
}

/** @throws OutboundError not_json, also when the answer is not a success */
export function jsonOf({ status, headers, body }: OutboundAnswer): unknown {
  const type = (headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
  if (status !== 200 || !/^application\/(?:[\w.-]+\+)?json$/.test(type)) {
    throw new OutboundError('not_json', `the answer is no JSON but ${status} ${type}`);
  }
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch (failure) {
    throw new OutboundError('not_json', 'the answer is no JSON', failure);
  }
}

/** What may be connected to: by https the public and, where it is allowed, ourselves; by plain http ourselves at most. */
function allowedBy(protocol: string, allowLoopback: boolean): (address: string) => boolean {
  if (protocol === 'https:')
    return (address) => isPublicAddress(address) || (allowLoopback && isLoopbackAddress(address));
  if (protocol === 'http:' && allowLoopback) return isLoopbackAddress;
  throw new OutboundError('not_allowed', `${protocol} is not asked: only https is`);
}

function lookupOf(allows: (address: string) => boolean): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found) => {
      if (error) return callback(error, '');
      const addresses = found.filter(({ address }) => allows(address));
      if (!addresses.length) {
        return callback(new OutboundError('not_allowed', `${hostname} has no public address`), '');
      }
      if (options.all) return callback(null, addresses);
      callback(null, addresses[0]!.address, addresses[0]!.family);
    });
  };
}

async function exchange(
  target: URL,
  options: RequestOptions,
  body: OutboundRequest['body'],
  largest: number,
): Promise<OutboundAnswer> {
  const send = target.protocol === 'https:' ? requestSecurely : requestPlainly;
  const sent = send(target, options);
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      sent.on('response', resolve).on('error', reject);
      // A server that changes the protocol closes it without an answer.
      sent.on('close', () => reject(new Error('closed without an answer')));
      sent.end(body);
    });
    const status = response.statusCode!;
    if (status >= 300 && status < 400) throw new OutboundError('redirected', `${target.origin} answered by a redirect`);
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of response) {
      size += chunk.length;
      if (size > largest) throw new OutboundError('too_large', `the answer of ${target.origin} is too large`);
      chunks.push(chunk);
    }
    return { status, headers: response.headers, body: Buffer.concat(chunks) };
  } finally {
    sent.destroy();
  }
}
