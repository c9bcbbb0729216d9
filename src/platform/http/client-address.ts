import ipaddr from 'ipaddr.js';

export type TrustsAddress = (address: string) => boolean;

/**
 * One spelling per address: IPv4 inside IPv6 becomes IPv4, IPv6 is written in full without a zone. Undefined when it is no address.
 * Only the four-part decimal form counts as IPv4: `127.1` or `0x7f000001` in a header is somebody's trick.
 */
export function canonicalAddress(text: string): string | undefined {
  // Behind a proxy, and under load, it is the same peer again and again.
  if (text !== last.text) last = { text, canonical: canonicalForm(text) };
  return last.canonical;
}

let last: { text: string; canonical: string | undefined } = { text: '', canonical: undefined };

function canonicalForm(text: string): string | undefined {
  const address = text.trim().replace(/%.*$/, '');
  if (ipaddr.IPv4.isValidFourPartDecimal(address)) return address;
  if (!address.includes(':') || !ipaddr.IPv6.isValid(address)) return undefined;
  const parsed = ipaddr.IPv6.parse(address);
  return parsed.isIPv4MappedAddress() ? parsed.toIPv4Address().toString() : parsed.toNormalizedString();
}

/** The unit that limits count: an IPv4 address, or the /64 that one IPv6 customer holds. */
export function addressBlock(address: string): string {
  if (!address.includes(':')) return address;
  const parts = ipaddr.IPv6.parse(address).parts.slice(0, 4);
  return `${parts.map((part) => part.toString(16)).join(':')}::/64`;
}

/** The kind of network that it is in, out of a short list: `loopback`, `private`, `uniqueLocal`, `unicast` … `address` is canonical. */
export function networkKind(address: string): string {
  return ipaddr.parse(address).range();
}

/** @throws when an entry is neither an address nor a CIDR block */
export function trustedBy(cidrs: string[]): TrustsAddress {
  const ranges = cidrs.map((cidr) => ipaddr.parseCIDR(cidr.includes('/') ? cidr : hostBlock(cidr)));
  if (!ranges.length) return () => false;
  return (text) => {
    const address = ipaddr.parse(text);
    return ranges.some(([range, bits]) => range.kind() === address.kind() && address.match(range as never, bits));
  };
}

/** Whether every address of a CIDR block is in the other. Both as `cidrBlock` writes them. */
export function isBlockWithin(block: string, other: string): boolean {
  const [[address, bits], [range, most]] = [ipaddr.parseCIDR(block), ipaddr.parseCIDR(other)];
  return address.kind() === range.kind() && bits >= most && address.match(range as never, most);
}

function hostBlock(address: string): string {
  return `${address}/${address.includes(':') ? 128 : 32}`;
}

/**
 * The nearest address that is not one of our proxies. `X-Forwarded-For` is read from the right, because everything left of the
 * first untrusted entry was written by that stranger; an entry that is no address ends the walk.
 */
export function clientAddress(
  peer: string | undefined,
  forwardedFor: string | undefined,
  trusts: TrustsAddress,
): string {
  let address = canonicalAddress(peer ?? '') ?? '0.0.0.0';
  if (!forwardedFor) return address;
  const entries = forwardedFor.split(',');
  while (entries.length && trusts(address)) {
    const next = canonicalAddress(withoutPort(entries.pop()!.trim()));
    if (!next) break;
    address = next;
  }
  return address;
}

function withoutPort(entry: string): string {
  const bracketed = /^\[([^\]]+)\](?::\d+)?$/.exec(entry);
  if (bracketed) return bracketed[1]!;
  return /^[\d.]+:\d+$/.test(entry) ? entry.slice(0, entry.lastIndexOf(':')) : entry;
}

/**
 * One spelling per block, for what people write: `192.0.2.7` is `192.0.2.7/32`, bits beyond the mask are cleared, IPv4 inside IPv6 is
 * IPv4. Undefined when it is neither an address nor a CIDR block.
 */
export function cidrBlock(text: string): string | undefined {
  const [, written, mask] = /^([\da-fA-F.:]+)(?:\/(\d{1,3}))?$/.exec(text.trim()) ?? [];
  const address = canonicalForm(written ?? '');
  if (address === undefined) return undefined;
  const isV4 = !address.includes(':');
  const whole = isV4 ? 32 : 128;
  const bits = mask === undefined ? whole : Number(mask) - (isV4 && written!.includes(':') ? 96 : 0);
  if (bits < 0 || bits > whole) return undefined;
  const range = `${address}/${bits}`;
  const network = isV4 ? ipaddr.IPv4.networkAddressFromCIDR(range) : ipaddr.IPv6.networkAddressFromCIDR(range);
  return `${network.toString()}/${bits}`;
}
