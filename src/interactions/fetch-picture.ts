import { lookup } from 'node:dns';
import { get as getPlain } from 'node:http';
import { get as getSecure } from 'node:https';
import type { LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import type { FetchPicture, Picture } from './client-logo.ts';

const TYPES = ['image/png', 'image/jpeg', 'image/webp', 'image/gif', 'image/avif', 'image/svg+xml'];
const LARGEST = 256 * 1024;
const LONGEST = 5000;

/**
 * https only, public addresses only (the one that was checked is the one that is connected to), no redirects, nothing of ours sent
 * along. On one's own machine pictures may also come from loopback, unless in production. S-176
 */
export function createPictureFetcher({ allowLoopback }: { allowLoopback: boolean }): FetchPicture {
  const isAllowed = (address: string) => {
    const range = ipaddr.process(address).range();
    return range === 'unicast' || (allowLoopback && range === 'loopback');
  };

  const checkedLookup: LookupFunction = (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found) => {
      if (error) return callback(error, '');
      const addresses = found.filter(({ address }) => isAllowed(address));
      if (!addresses.length) return callback(new Error(`${hostname} has no public address`), '');
      if (options.all) return callback(null, addresses);
      return callback(null, addresses[0]!.address, addresses[0]!.family);
    });
  };

  return async function fetchPicture(url): Promise<Picture | undefined> {
    const target = new URL(url);
    const host = target.hostname.replace(/^\[|\]$/g, '');
    // An address needs no lookup, so it would pass by the check there.
    if (ipaddr.isValid(host) && !isAllowed(host)) return undefined;
    if (target.protocol !== 'https:' && !(allowLoopback && isLoopback(host))) return undefined;
    return request(target, checkedLookup);
  };
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || (ipaddr.isValid(host) && ipaddr.process(host).range() === 'loopback');
}

function request(target: URL, checkedLookup: LookupFunction): Promise<Picture | undefined> {
  const get = target.protocol === 'https:' ? getSecure : getPlain;
  return new Promise((resolve, reject) => {
    const options = {
      lookup: checkedLookup,
      signal: AbortSignal.timeout(LONGEST),
      headers: { Accept: TYPES.join(', ') },
    };
    const sent = get(target, { ...options, agent: false }, (response) => {
      const type = (response.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
      if (response.statusCode !== 200 || !TYPES.includes(type)) {
        sent.destroy();
        return resolve(undefined);
      }
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > LARGEST) sent.destroy(new Error('the picture is too large'));
        else chunks.push(chunk);
      });
      response.on('end', () => resolve({ type, body: Buffer.concat(chunks) }));
      response.on('error', reject);
    });
    sent.on('error', reject);
  });
}
