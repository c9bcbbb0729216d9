import { expect, test } from '@jest/globals';
import { addressBlock, canonicalAddress, clientAddress, trustedBy } from '../../../src/platform/http/client-address.ts';

const trusts = trustedBy(['10.0.0.0/8', '::1', '2001:db8:1::/48']);

test.each([
  ['no proxy in between', '203.0.113.7', undefined, '203.0.113.7'],
  ['a stranger sends the header', '203.0.113.7', '198.51.100.1', '203.0.113.7'],
  ['one trusted proxy', '10.0.0.1', '203.0.113.7', '203.0.113.7'],
  ['the client wrote an entry of its own', '10.0.0.1', '198.51.100.1, 203.0.113.7', '203.0.113.7'],
  ['a chain of trusted proxies', '10.0.0.1', '203.0.113.7, 10.1.1.1, 10.2.2.2', '203.0.113.7'],
  ['the client claims to be a proxy of ours', '10.0.0.1', '10.9.9.9, 203.0.113.7', '203.0.113.7'],
  ['everybody is a proxy of ours', '10.0.0.1', '10.0.0.3, 10.0.0.2', '10.0.0.3'],
  ['an entry is no address', '10.0.0.1', '203.0.113.7, unknown', '10.0.0.1'],
  ['an entry is empty', '10.0.0.1', '203.0.113.7,', '10.0.0.1'],
  ['an entry is a short form of an address', '10.0.0.1', '127.1', '10.0.0.1'],
  ['an entry has a port', '10.0.0.1', '203.0.113.7:4711', '203.0.113.7'],
  ['an entry is a bracketed IPv6 address with a port', '10.0.0.1', '[2001:db8:2::1]:4711', '2001:db8:2:0:0:0:0:1'],
  ['the proxy connects over IPv6 with a mapped address', '::ffff:10.0.0.1', '203.0.113.7', '203.0.113.7'],
  ['the proxy connects over IPv6 loopback', '::1', '203.0.113.7', '203.0.113.7'],
  ['an IPv4 client spelled as IPv6', '10.0.0.1', '::ffff:203.0.113.7', '203.0.113.7'],
  ['a mapped address spelled in hexadecimal', '10.0.0.1', '::FFFF:cb00:7107', '203.0.113.7'],
  ['the socket is gone', undefined, '203.0.113.7', '0.0.0.0'],
])('S-132 the address is found when %s', (_situation, peer, header, expected) => {
  expect(clientAddress(peer, header, trusts)).toBe(expected);
});

test('S-132 without configured proxies the header counts for nobody', () => {
  expect(clientAddress('127.0.0.1', '203.0.113.7', trustedBy([]))).toBe('127.0.0.1');
});

test('S-132 one IPv6 address has one spelling', () => {
  const spellings = ['2001:db8::1', '2001:DB8:0:0::1', '2001:0db8:0000:0000:0000:0000:0000:0001', '2001:db8::1%eth0'];
  expect(new Set(spellings.map(canonicalAddress))).toEqual(new Set(['2001:db8:0:0:0:0:0:1']));
});

test.each(['', 'localhost', '1.2.3', '1.2.3.4.5', '256.1.1.1', '0x7f000001', '010.0.0.1', '1.2.3.4/8', ':::1'])(
  '%j is no address',
  (text) => {
    expect(canonicalAddress(text)).toBeUndefined();
  },
);

test('S-132 limits count an IPv6 customer by its /64 and IPv4 by the address', () => {
  expect(addressBlock(canonicalAddress('2001:db8:0:1::dead')!)).toBe('2001:db8:0:1::/64');
  expect(addressBlock(canonicalAddress('2001:db8:0:1:ffff::')!)).toBe('2001:db8:0:1::/64');
  expect(addressBlock('203.0.113.7')).toBe('203.0.113.7');
});
