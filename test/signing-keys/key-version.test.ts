import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { bumpVersion, readKeysWithin } from '../../src/signing-keys/key-rows.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';

const BOUND = 3;

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

const versionNow = async () =>
  (await database.pool.query<{ version: number }>('SELECT version FROM key_set_version')).rows[0]!.version;

test('a change counts the version up when nobody else has, and it is not dated to long ago', async () => {
  const before = await versionNow();
  const counted = await database.prisma.$transaction(async (tx) => bumpVersion(tx, await readKeysWithin(tx), BOUND));
  expect([counted, await versionNow()]).toEqual([true, before + 1]);
});

test('K9 it does not when somebody else counted up since it was decided', async () => {
  const counted = await database.prisma.$transaction(async (tx) => {
    const seen = await readKeysWithin(tx);
    await tx.$executeRaw`UPDATE key_set_version SET version = version + 1`;
    return bumpVersion(tx, seen, BOUND);
  });
  expect(counted).toBe(false);
});

test('K13 it does not when it was decided by a time that is no longer true', async () => {
  const before = await versionNow();
  const [late, inTime] = await database.prisma.$transaction(async (tx) => {
    const seen = await readKeysWithin(tx);
    const secondsAgo = (seconds: number) => ({ ...seen, now: seen.now - 1000 * seconds });
    return [await bumpVersion(tx, secondsAgo(BOUND), BOUND), await bumpVersion(tx, secondsAgo(BOUND - 2), BOUND)];
  });
  expect([late, inTime]).toEqual([false, true]);
  expect(await versionNow()).toBe(before + 1);
});
