import { BlockList, isIP } from 'node:net';

/** Everything in IPv4 that is not the public Internet. @see the IANA special-purpose address registries (RFC 6890) */
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
const loopback = new BlockList();
for (const [prefix, bits] of SPECIAL) special.addSubnet(prefix, bits, 'ipv4');
for (const [prefix, bits] of SPECIAL_IPV6) special.addSubnet(prefix, bits, 'ipv6');
publicIpv6.addSubnet(...PUBLIC_IPV6, 'ipv6');
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** Whether anybody on the Internet could be asked at this address; a name is none. S-176 */
export function isPublicAddress(address: string): boolean {
  if (isIP(address) === 4) return !special.check(address, 'ipv4');
  return isIP(address) === 6 && publicIpv6.check(address, 'ipv6') && !special.check(address, 'ipv6');
}

/** Whether this is the machine that we run on. */
export function isLoopbackAddress(address: string): boolean {
  const family = isIP(address);
  return family !== 0 && loopback.check(address, family === 4 ? 'ipv4' : 'ipv6');
}
