import { lookup } from 'node:dns';
import type { IncomingHttpHeaders } from 'node:http';
import { type RequestOptions, request } from 'node:https';
import { BlockList, isIP, type LookupFunction } from 'node:net';

const LARGEST = 64 * 1024;
const LONGEST = 5_000;

/** Everything that is not the public Internet. @see the IANA special-purpose address registries (RFC 6890) */
const SPECIAL: [prefix: string, bits: number][] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.31.196.0', 24],
  ['192.52.193.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['192.175.48.0', 24],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
];

/** The one part of IPv6 that is handed out to the public, and what of it is not. */
const PUBLIC_IPV6: [prefix: string, bits: number] = ['2000::', 3];
const SPECIAL_IPV6: [prefix: string, bits: number][] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
];

const special = new BlockList();
const publicIpv6 = new BlockList();
for (const [prefix, bits] of SPECIAL) special.addSubnet(prefix, bits, 'ipv4');
for (const [prefix, bits] of SPECIAL_IPV6) special.addSubnet(prefix, bits, 'ipv6');
publicIpv6.addSubnet(...PUBLIC_IPV6, 'ipv6');

export function isPublicAddress(address: string): boolean {
  if (isIP(address) === 4) return !special.check(address, 'ipv4');
  return isIP(address) === 6 && publicIpv6.check(address, 'ipv6') && !special.check(address, 'ipv6');
}

export interface PublicFetchOptions {
  /** Tests know a server or two of their own. */
  allows?: (address: string) => boolean;
  /** Certificates to trust beside the usual ones. */
  ca?: string;
}

/**
 * How the engine gets what a client publishes, in place of its own way, which checks an address after connecting and, where it
 * cannot, not at all. https only, public addresses only, no redirects, no more than 64 KiB and five seconds, nothing of ours
 * sent along. S-176
 */
export function createPublicFetch({ allows = isPublicAddress, ca }: PublicFetchOptions = {}): typeof fetch {
  return async function publicFetch(input, { method, headers, body, signal } = {}) {
    const target = new URL(typeof input === 'object' && 'url' in input ? input.url : input);
    const host = target.hostname.replace(/^\[|\]$/g, '');
    if (target.protocol !== 'https:') throw new Error(`${target.protocol} is not fetched: only https is`);
    // An address needs no lookup, so it would pass by the check there.
    if (isIP(host) && !allows(host)) throw new Error(`${host} is not a public address`);
    const options = {
      method,
      headers: Object.fromEntries(new Headers(headers)),
      lookup: lookupOf(allows),
      agent: false,
      signal: signal ?? AbortSignal.timeout(LONGEST),
      ca,
    } as RequestOptions;
    return exchange(target, options, body);
  };
}

/** The address that was checked is the one that is connected to. */
function lookupOf(allows: (address: string) => boolean): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found) => {
      if (error) return callback(error, '');
      const addresses = found.filter(({ address }) => allows(address));
      if (!addresses.length) return callback(new Error(`${hostname} has no public address`), '');
      if (options.all) return callback(null, addresses);
      callback(null, addresses[0]!.address, addresses[0]!.family);
    });
  };
}

function exchange(target: URL, options: RequestOptions, body: RequestInit['body']): Promise<Response> {
  return new Promise((resolve, reject) => {
    const sent = request(target, options, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > LARGEST) sent.destroy(new Error(`the answer of ${target.origin} is too large`));
        else chunks.push(chunk);
      });
      response.on('error', reject);
      response.on('end', () => {
        const status = response.statusCode ?? 0;
        if (status >= 300 && status < 400) return reject(new Error(`${target.origin} answered by a redirect`));
        resolve(new Response(Buffer.concat(chunks), { status, headers: plain(response.headers) }));
      });
    });
    sent.on('error', reject);
    sent.end(body ?? undefined);
  });
}

function plain(headers: IncomingHttpHeaders): Headers {
  const result = new Headers();
  for (const [name, value] of Object.entries(headers)) if (value !== undefined) result.set(name, String(value));
  return result;
}
