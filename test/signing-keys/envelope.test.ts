import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { createKeyEncryption, rowIdentity, type Sealed } from '../../src/signing-keys/envelope.ts';

const key = randomBytes(32);
const keyEncryption = createKeyEncryption(key);
const plain = Buffer.from('the private half of a key');
const identity = rowIdentity('signing_keys', 'one', 'sig');

test('what is sealed can be opened with the same key and for the same row only', () => {
  const sealed = keyEncryption.seal(plain, identity);
  expect(keyEncryption.open(sealed, identity)).toEqual(plain);
  expect(createKeyEncryption(Buffer.from(key)).open(sealed, identity)).toEqual(plain);
  expect(sealed.ciphertext.includes(plain)).toBe(false);
});

test('two seals of one text have nothing in common', () => {
  const [first, second] = [keyEncryption.seal(plain, identity), keyEncryption.seal(plain, identity)];
  expect(first.ciphertext.equals(second.ciphertext)).toBe(false);
  expect(first.wrappedDataKey.equals(second.wrappedDataKey)).toBe(false);
});

describe('a ciphertext is refused', () => {
  const sealed = keyEncryption.seal(plain, identity);
  const other = keyEncryption.seal(Buffer.from('another'), identity);
  const flipped = (part: Buffer, at: number) => {
    const copy = Buffer.from(part);
    copy[at]! ^= 1;
    return copy;
  };

  const altered: [string, Sealed][] = [
    ['with a bit of its nonce flipped', { ...sealed, ciphertext: flipped(sealed.ciphertext, 0) }],
    ['with a bit of its text flipped', { ...sealed, ciphertext: flipped(sealed.ciphertext, 14) }],
    [
      'with a bit of its tag flipped',
      { ...sealed, ciphertext: flipped(sealed.ciphertext, sealed.ciphertext.length - 1) },
    ],
    ['with a bit of its data key flipped', { ...sealed, wrappedDataKey: flipped(sealed.wrappedDataKey, 20) }],
    ['with the data key of another secret', { ...sealed, wrappedDataKey: other.wrappedDataKey }],
    ['cut short', { ...sealed, ciphertext: sealed.ciphertext.subarray(0, 20) }],
    ['empty', { ...sealed, ciphertext: Buffer.alloc(0) }],
  ];
  test.each(altered)('%s', (_how, broken) => {
    expect(() => keyEncryption.open(broken, identity)).toThrow();
  });

  const moved: [string, string][] = [
    ['to another row', rowIdentity('signing_keys', 'two', 'sig')],
    ['to another table', rowIdentity('server_secrets', 'one', 'sig')],
    ['to another use', rowIdentity('signing_keys', 'one', 'enc')],
    ['to another version', rowIdentity('signing_keys', 'one', 'sig', 2)],
    ['to a row whose names only read the same put together', rowIdentity('signing_keys', 'onesig', '')],
  ];
  test.each(moved)('when it is moved %s', (_where, elsewhere) => {
    expect(() => keyEncryption.open(sealed, elsewhere)).toThrow();
  });

  test('under another key-encryption key, and the message names both', () => {
    const stranger = createKeyEncryption(randomBytes(32));
    expect(() => stranger.open(sealed, identity)).toThrow(new RegExp(`${keyEncryption.kekId}.*${stranger.kekId}`));
    expect(() => stranger.open({ ...sealed, kekId: stranger.kekId }, identity)).toThrow();
  });
});

describe('several key-encryption keys', () => {
  const [older, newer, third] = [randomBytes(32), randomBytes(32), randomBytes(32)];
  const [before, between, after] = [
    createKeyEncryption(older),
    createKeyEncryption([newer, older]),
    createKeyEncryption([newer]),
  ];

  test('the first seals, all open', () => {
    expect(between.kekId).toBe(after.kekId);
    expect(between.kekIds).toEqual([after.kekId, before.kekId]);
    expect(between.open(before.seal(plain, identity), identity)).toEqual(plain);
    expect(after.open(between.seal(plain, identity), identity)).toEqual(plain);
    expect(() => before.open(between.seal(plain, identity), identity)).toThrow(
      new RegExp(`${after.kekId}; here is ${before.kekId}`),
    );
  });

  test('a key that stands there twice is one', () => {
    expect(createKeyEncryption([older, newer, older]).kekIds).toEqual([before.kekId, after.kekId]);
  });

  test('rewrapping changes who opens it and not what is sealed, and a second time there is nothing to do', () => {
    const sealed = before.seal(plain, identity);
    const rewrapped = between.rewrap(sealed, identity)!;
    expect(rewrapped.ciphertext).toEqual(sealed.ciphertext);
    expect(rewrapped.kekId).toBe(after.kekId);
    expect(after.open(rewrapped, identity)).toEqual(plain);
    expect(() => before.open(rewrapped, identity)).toThrow();
    expect(between.rewrap(rewrapped, identity)).toBeUndefined();
  });

  test.each<[string, (sealed: Sealed, other: Sealed) => [Sealed, string]]>([
    ['with the ciphertext of another row', (sealed, other) => [{ ...sealed, ciphertext: other.ciphertext }, identity]],
    [
      'with the data key of another row',
      (sealed, other) => [{ ...sealed, wrappedDataKey: other.wrappedDataKey }, identity],
    ],
    ['in another row', (sealed) => [sealed, rowIdentity('signing_keys', 'two', 'sig')]],
    ['under a key that is not here', (sealed) => [{ ...sealed, kekId: '0123456789abcdef' }, identity]],
    ['that names the wrong key', (sealed) => [{ ...sealed, kekId: createKeyEncryption(third).kekId }, identity]],
  ])('a ciphertext %s is not rewrapped', (_how, change) => {
    const [sealed, other] = [
      before.seal(plain, identity),
      before.seal(plain, rowIdentity('signing_keys', 'two', 'sig')),
    ];
    const all = createKeyEncryption([newer, older, third]);
    expect(() => all.rewrap(...change(sealed, other))).toThrow();
  });
  test('without any key there is nothing to seal with', () => {
    expect(() => createKeyEncryption([])).toThrow(/no key-encryption key/);
  });
});

test.each([0, 16, 31, 33, 64])('a key-encryption key of %i bytes is refused', (length) => {
  expect(() => createKeyEncryption(randomBytes(length))).toThrow(/32 bytes/);
});
