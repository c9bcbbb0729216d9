import { randomBytes } from 'node:crypto';
import { beforeAll, beforeEach, expect, test } from '@jest/globals';
import { createAccountsCleanUp } from '../../src/accounts/clean-up.store.ts';
import type { TestDatabase } from '../support/database.ts';
import { createPerson, type TestNode, useNodes } from './node.ts';

const DAY = 86_400;
const SESSION_LIFETIME = 14 * DAY;

let database: TestDatabase;
let node: TestNode;
let userId: string;
let cleanUp: ReturnType<typeof createAccountsCleanUp>;
useNodes((nodes) => {
  ({ database, node } = nodes);
});
beforeAll(() => {
  cleanUp = createAccountsCleanUp({ pool: database.pool, sessionLifetime: SESSION_LIFETIME });
});
beforeEach(async () => {
  await database.prisma.userSession.deleteMany();
  await database.prisma.oneTimeLink.deleteMany();
  userId = (await createPerson(node, { password: undefined })).id;
});

const daysAgo = (days: number) => new Date(Date.now() - days * DAY * 1000);

function keepSession(uid: string, { lastUsed, ended }: { lastUsed: number; ended?: number }) {
  const endedAt = ended === undefined ? null : daysAgo(ended);
  return database.prisma.userSession.create({ data: { uid, userId, lastUsedAt: daysAgo(lastUsed), endedAt } });
}

async function keepLink({ expires, consumed }: { expires: number; consumed?: number }) {
  const digest = new Uint8Array(randomBytes(32));
  const consumedAt = consumed === undefined ? null : daysAgo(consumed);
  await database.prisma.oneTimeLink.create({
    data: { digest, purpose: 'set_password', userId, expiresAt: daysAgo(expires), consumedAt },
  });
}

test('sessions are kept for 30 days after they were ended or were last valid, and no longer', async () => {
  await keepSession('in use', { lastUsed: 0 });
  await keepSession('not used for a long time, yet valid', { lastUsed: 13 });
  await keepSession('ended 29 days ago', { lastUsed: 40, ended: 29 });
  await keepSession('ended 31 days ago', { lastUsed: 31, ended: 31 });
  await keepSession('expired 29 days ago', { lastUsed: 14 + 29 });
  await keepSession('expired 31 days ago', { lastUsed: 14 + 31 });
  expect(await cleanUp()).toBe(false);
  const left = await database.prisma.userSession.findMany({ orderBy: { uid: 'asc' } });
  expect(left.map(({ uid }) => uid)).toEqual([
    'ended 29 days ago',
    'expired 29 days ago',
    'in use',
    'not used for a long time, yet valid',
  ]);
});

test('one-time links are kept for 30 days after they were spent or ended, and no longer', async () => {
  await keepLink({ expires: -1 });
  await keepLink({ expires: 29 });
  await keepLink({ expires: 31 });
  await keepLink({ expires: 25, consumed: 29 });
  await keepLink({ expires: 25, consumed: 31 });
  expect(await cleanUp()).toBe(false);
  const left = await database.prisma.oneTimeLink.findMany({ orderBy: [{ expiresAt: 'asc' }] });
  const days = left.map(({ expiresAt, consumedAt }) =>
    [expiresAt, consumedAt].map((at) => at && Math.round((Date.now() - at.getTime()) / DAY / 1000)),
  );
  expect(days).toEqual([
    [29, null],
    [25, 29],
    [-1, null],
  ]);
});

test('links that wait for a proof tell who somebody is elsewhere: kept for a day after they ended, and no longer', async () => {
  for (const days of [-1, 0.9, 1.1]) {
    const [id, interaction] = [new Uint8Array(randomBytes(32)), new Uint8Array(32)];
    const row = { id, interaction, userId, provider: 'google', subject: String(days), identity: {} };
    await database.prisma.pendingLink.create({ data: { ...row, expiresAt: daysAgo(days) } });
  }
  expect(await cleanUp()).toBe(false);
  const left = await database.prisma.pendingLink.findMany({ orderBy: { subject: 'asc' } });
  expect(left.map(({ subject }) => subject)).toEqual(['-1', '0.9']);
  // They alone are reason enough for another round.
  await database.prisma.pendingLink.updateMany({ data: { expiresAt: daysAgo(2) } });
  expect(await cleanUp(1)).toBe(true);
});

test('a round removes no more than its batch, and says that there is more', async () => {
  for (let number = 0; number < 5; number++) {
    await keepSession(`session ${number}`, { lastUsed: 100 });
    await keepLink({ expires: 100 });
  }
  const counts = async () => [await database.prisma.userSession.count(), await database.prisma.oneTimeLink.count()];
  expect([await cleanUp(3), await counts()]).toEqual([true, [2, 2]]);
  expect([await cleanUp(3), await counts()]).toEqual([false, [0, 0]]);
  // One kind alone is reason enough for another round.
  for (let number = 0; number < 3; number++) await keepLink({ expires: 100 });
  expect(await cleanUp(3)).toBe(true);
});

test('a session that somebody else is about to use is left for the next round', async () => {
  // The embedded database has one session: nobody else can hold anything there.
  if (database.kind === 'embedded') return;
  await keepSession('held', { lastUsed: 100 });
  const holder = await database.pool.connect();
  await holder.query(`BEGIN; SELECT 1 FROM user_sessions WHERE uid = 'held' FOR UPDATE`);
  expect(await cleanUp()).toBe(false);
  expect(await database.prisma.userSession.count()).toBe(1);
  await holder.query('COMMIT');
  holder.release();
  await cleanUp();
  expect(await database.prisma.userSession.count()).toBe(0);
});
