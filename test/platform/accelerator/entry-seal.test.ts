import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { createEntrySeal } from '../../../src/platform/accelerator/entry-seal.ts';

const secret = randomBytes(32);
const seal = createEntrySeal(secret);
const place = seal.nameOf('cache', 'clients', 'app');

test('what was sealed opens on another node, for the same place', () => {
  const other = createEntrySeal(Buffer.from(secret));
  const entry = { readAt: 1_790_000_000_000, value: [{ name: '메모', list: [1, null] }] as [unknown] };
  expect(other.nameOf('cache', 'clients', 'app')).toBe(place);
  expect(other.open(place, seal.seal(place, entry))).toEqual(entry);
  expect(seal.open(place, seal.seal(place, { readAt: 1, value: [] }))).toEqual({ readAt: 1, value: [] });
});

test('neither what it is about nor what it holds can be read, and it never looks the same twice', () => {
  const sealed = [1, 2].map(() => seal.seal(place, { readAt: 1, value: ['hidden'] }));
  expect(sealed[0]).not.toBe(sealed[1]);
  expect(Buffer.from(sealed[0]!, 'base64').toString('latin1')).not.toContain('hidden');
  expect(seal.nameOf('count', 'sign-in', '192.0.2.1')).not.toContain('192.0.2.1');
});

describe('nothing opens', () => {
  const sealed = seal.seal(place, { readAt: 1, value: ['x'] });
  test('in another place', () => {
    expect(seal.open(seal.nameOf('cache', 'clients', 'other'), sealed)).toBeUndefined();
    expect(seal.open(seal.nameOf('cache', 'other', 'app'), sealed)).toBeUndefined();
  });
  test('with another secret', () => {
    expect(createEntrySeal(randomBytes(32)).open(place, sealed)).toBeUndefined();
  });
  test('when any bit is another', () => {
    const bytes = Buffer.from(sealed, 'base64');
    for (let at = 0; at < bytes.length; at++) {
      const altered = Buffer.from(bytes);
      altered[at]! ^= 1;
      expect(seal.open(place, altered.toString('base64'))).toBeUndefined();
    }
  });
  test.each(['', 'x', 'null', '[1,2]', Buffer.alloc(32).toString('base64'), 'A'.repeat(100_000)])(
    'that is no entry',
    (text) => {
      expect(seal.open(place, text)).toBeUndefined();
    },
  );
});
