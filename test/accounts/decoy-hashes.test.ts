import { createHash } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { createDecoyHashes, type StoredFormat } from '../../src/accounts/decoy-hashes.ts';
import { decoyOf, parseHash } from '../../src/accounts/password-hash.ts';

const CURRENT = '$argon2id$v=19$m=19456,t=2,p=1';
const keys = Array.from({ length: 1_000 }, (_, number) => createHash('sha256').update(String(number)).digest());

async function decoysOver(formats: StoredFormat[]) {
  const decoys = createDecoyHashes({ format: CURRENT, secret: Buffer.alloc(32), countFormats: async () => formats });
  await decoys.ready();
  return decoys;
}

test.each(['$2b$04', '$2b$12', '$2y$10', CURRENT])('a decoy of %s is a hash of that format', (format) => {
  expect(parseHash(decoyOf(format)!)?.format).toBe(format);
});

test.each(['$2x$12', '$2b$20', '$1', ''])('there is no decoy of %j', (format) => {
  expect(decoyOf(format)).toBeUndefined();
});

test('S-122 while nobody has an older hash, every unknown login costs a new one', async () => {
  const decoys = await decoysOver([{ format: CURRENT, count: 7 }]);
  expect(new Set(keys.map((key) => parseHash(decoys.pick(key))?.format))).toEqual(new Set([CURRENT]));
});

test('S-122 as many unknown logins cost an older hash as there are accounts that do, and always the same ones', async () => {
  const formats = [
    { format: '$2b$12', count: 300 },
    { format: CURRENT, count: 500 },
    { format: '$2y$10', count: 200 },
  ];
  const decoys = await decoysOver(formats);
  const picked = keys.map((key) => parseHash(decoys.pick(key))!.format);
  for (const { format, count } of formats) {
    const share = picked.filter((other) => other === format).length / keys.length;
    expect(Math.abs(share - count / 1_000)).toBeLessThan(0.06);
  }
  expect(keys.map((key) => parseHash(decoys.pick(key))!.format)).toEqual(picked);
});

test('S-122 as accounts are upgraded, unknown logins only move to the new hash', async () => {
  const before = await decoysOver([
    { format: '$2b$12', count: 60 },
    { format: CURRENT, count: 40 },
  ]);
  const after = await decoysOver([
    { format: '$2b$12', count: 30 },
    { format: CURRENT, count: 70 },
  ]);
  const moved = keys.filter((key) => parseHash(before.pick(key))!.format !== parseHash(after.pick(key))!.format);
  expect(moved.length).toBeGreaterThan(0);
  expect(new Set(moved.map((key) => parseHash(after.pick(key))!.format))).toEqual(new Set([CURRENT]));
});

test('the formats are counted once for all who ask at the same time, and again after a failure', async () => {
  let asked = 0;
  const decoys = createDecoyHashes({
    format: CURRENT,
    secret: Buffer.alloc(32),
    countFormats: async () => {
      asked += 1;
      if (asked === 1) throw new Error('the database is away');
      return [];
    },
  });
  await expect(decoys.ready()).rejects.toThrow('away');
  await Promise.all([decoys.ready(), decoys.ready()]);
  await decoys.ready();
  expect(asked).toBe(2);
});
