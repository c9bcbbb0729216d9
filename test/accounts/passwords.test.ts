import { beforeAll, describe, expect, test } from '@jest/globals';
import bcrypt from 'bcrypt';
import { parseHash } from '../../src/accounts/password-hash.ts';
import type { Passwords, StoredPassword } from '../../src/accounts/passwords.ts';
import type { TestDatabase } from '../support/database.ts';
import { PASSWORD, PEPPER, startNode, type TestNode, useNodes } from './node.ts';

let database: TestDatabase;
let node: TestNode;
useNodes((nodes) => {
  ({ database, node } = nodes);
});

async function verify(passwords: Passwords, password: string, stored?: StoredPassword): Promise<boolean> {
  await passwords.ready();
  const reservation = passwords.reserve();
  if (reservation.kind === 'busy') throw new Error('busy');
  return passwords.verify({ password, stored, key: Buffer.from('somebody'), place: reservation.place });
}

const imported = (hash: string): StoredPassword => ({ hash, pepperId: 'none' });

describe.each(['bcrypt', 'argon2id'] as const)('%s', (hash) => {
  let passwords: Passwords;
  beforeAll(() => {
    passwords = startNode(database, { passwords: { hash } }).passwords;
  });

  test('S-120 a hash carries its parameters, has its own salt and names its pepper', async () => {
    const [first, second] = [await passwords.hash(PASSWORD), await passwords.hash(PASSWORD)];
    const expected =
      hash === 'bcrypt' ? { scheme: 'bcrypt', cost: 4 } : { scheme: 'argon2id', memory: 19_456, passes: 2, lanes: 1 };
    expect(parseHash(first.hash)?.parameters).toEqual(expected);
    expect(first.pepperId).toBe(PEPPER.id);
    expect(first.hash).not.toBe(second.hash);
    expect(await verify(passwords, PASSWORD, first)).toBe(true);
    expect(passwords.isOutdated(first)).toBe(false);
  });

  describe('S-121 two different passwords', () => {
    test.each([
      ['with the same first 72 bytes', `${'a'.repeat(72)}X`, `${'a'.repeat(72)}Y`],
      ['of 24 and of 25 euro signs', '€'.repeat(24), '€'.repeat(25)],
      ['that differ after a NUL', 'violet harbour\0one', 'violet harbour\0two'],
      ['that differ in the last of 256 characters', `${'a'.repeat(255)}b`, `${'a'.repeat(255)}c`],
      ['in another case', 'Violet harbour', 'violet harbour'],
      ['with and without a space at the end', 'violet harbour ', 'violet harbour'],
    ])('%s do not match each other', async (_case, first, second) => {
      const stored = await passwords.hash(first);
      expect(await verify(passwords, first, stored)).toBe(true);
      expect(await verify(passwords, second, stored)).toBe(false);
    });
  });

  test('S-115 one password in two normal forms is one password', async () => {
    const stored = await passwords.hash('Café au lait, Ångström');
    expect(await verify(passwords, 'Café au lait, Ångström'.normalize('NFD'), stored)).toBe(true);
  });

  test('S-120 another pepper does not match, one that is lost is no wrong password and is reported', async () => {
    const stored = await passwords.hash(PASSWORD);
    const other = { id: 'pepper-2', key: Buffer.alloc(32, 2) };
    const byId = (id: string) => (id === other.id ? other.key : undefined);
    const rotated = startNode(database, {
      passwords: { hash, peppers: { current: other, byId, ids: () => [other.id] } },
    });
    for (const check of [rotated.passwords.knowPepperOf(stored), verify(rotated.passwords, PASSWORD, stored)]) {
      await expect(check).rejects.toMatchObject({ code: 'unavailable', retryAfter: 5 });
    }
    expect(rotated.lines).toContainEqual(expect.objectContaining({ level: 'error', pepperId: PEPPER.id }));
    expect(await verify(rotated.passwords, PASSWORD, { ...stored, pepperId: other.id })).toBe(false);
    expect(rotated.passwords.isOutdated(stored)).toBe(true);
  });
});

describe('an imported bcrypt hash', () => {
  test.each(['$2a$', '$2b$', '$2y$'])(
    'S-120 with the prefix %s matches as it was made, and is outdated',
    async (prefix) => {
      const hash = bcrypt.hashSync('old password', 4).replace('$2b$', prefix);
      expect(await verify(node.passwords, 'old password', imported(hash))).toBe(true);
      expect(await verify(node.passwords, 'new password', imported(hash))).toBe(false);
      expect(node.passwords.isOutdated(imported(hash))).toBe(true);
    },
  );

  const salted = bcrypt.hashSync('old password', 4).slice(7);
  test.each([
    ['the prefix of the function with the sign bug', `$2x$04$${salted}`],
    ['a cost that would take minutes', `$2b$20$${salted}`],
    ['a cost below what exists', `$2b$03$${salted}`],
    ['a missing character', `$2b$04$${salted.slice(1)}`],
    ['another scheme', '$1$salt$qJH7.N4xYta3aEG/dfqo/0'],
    [
      'argon2id without a pepper',
      '$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2Fs$kO3Zp0dCVvDZ1y3w7y1m3X5m2l6Z0b3kQ1cWQ8m0aXk',
    ],
    [
      'memory beyond reason',
      '$argon2id$v=19$m=9999999,t=2,p=1$c29tZXNhbHRzb21lc2Fs$kO3Zp0dCVvDZ1y3w7y1m3X5m2l6Z0b3kQ1cWQ8m0aXk',
    ],
    ['nothing', ''],
  ])('with %s matches nothing, and costs one ordinary hash', async (_case, hash) => {
    const before = node.hashes.length;
    expect(await verify(node.passwords, 'old password', imported(hash))).toBe(false);
    expect(node.hashes.slice(before)).toEqual(['compare $2b$04']);
  });

  test('of an empty password matches nothing', async () => {
    expect(await verify(node.passwords, '', imported(bcrypt.hashSync('', 4)))).toBe(false);
  });
});

test('S-124 a hash is outdated when it is cheaper or of another scheme, not when it is dearer', async () => {
  const stored = await node.passwords.hash(PASSWORD);
  const [cheaper, dearer, other] = [
    startNode(database, { passwords: { bcryptCost: 5 } }),
    startNode(database, { passwords: { bcryptCost: 4 } }),
    startNode(database, { passwords: { hash: 'argon2id' } }),
  ];
  expect(cheaper.passwords.isOutdated(stored)).toBe(true);
  expect(dearer.passwords.isOutdated(await cheaper.passwords.hash(PASSWORD))).toBe(false);
  expect(other.passwords.isOutdated(stored)).toBe(true);
});

test('S-123 a new password is refused while the queue is full', async () => {
  const full = startNode(database, {
    passwords: {
      queue: { reserve: () => ({ kind: 'busy', retryAfter: 3 }), statistics: () => ({ taken: 9, running: 2 }) },
    },
  });
  await expect(full.passwords.hash(PASSWORD)).rejects.toMatchObject({ code: 'unavailable', retryAfter: 3 });
});
