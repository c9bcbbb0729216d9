import { generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { es256SignatureOf } from '../../src/signing-keys/ecdsa-signature.ts';

/** A DER INTEGER of this value. */
function integer(hex: string): Buffer {
  const bytes = Buffer.from(hex, 'hex');
  return Buffer.concat([Buffer.from([2, bytes.length]), bytes]);
}

function sequence(r: string, s: string): Buffer {
  const content = Buffer.concat([integer(r), integer(s)]);
  return Buffer.concat([Buffer.from([0x30, content.length]), content]);
}

describe('An ES256 signature', () => {
  const full = '7f'.padEnd(64, 'a');
  const high = 'ff'.padEnd(64, 'b');
  const short = '11'.padEnd(62, 'c');
  const shortHigh = '99'.padEnd(62, 'd');

  test.each([
    ['two halves of 32 bytes', full, full, full + full],
    ['halves whose first bit is set', `00${high}`, `00${high}`, high + high],
    ['a half of 31 bytes', short, full, `00${short}${full}`],
    ['a half of 31 bytes whose first bit is set', full, `00${shortHigh}`, `${full}00${shortHigh}`],
    ['a half of one byte', '01', '02', '01'.padStart(64, '0') + '02'.padStart(64, '0')],
  ])('is r and s of 32 bytes each, with %s', (_what, r, s, expected) => {
    expect(es256SignatureOf(sequence(r, s)).toString('hex')).toBe(expected);
  });

  test('is valid whatever its halves begin with', () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const lengths = new Set<number>();
    // One in 128 has a half that is shorter than 32 bytes.
    for (let index = 0; index < 2_000; index++) {
      const input = randomBytes(100);
      const der = sign('sha256', input, privateKey);
      lengths.add(der.length);
      const signature = es256SignatureOf(der);
      expect(signature).toHaveLength(64);
      expect(verify('sha256', input, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature)).toBe(true);
    }
    expect(lengths.size).toBeGreaterThan(3);
  });
});
