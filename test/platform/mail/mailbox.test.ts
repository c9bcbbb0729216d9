import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createMailbox, type Mailbox } from '../../../src/platform/mail/mailbox.ts';
import type { Transaction } from '../../../src/platform/outbox/outbox.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';

let database: TestDatabase;
let mailbox: Mailbox;
beforeAll(async () => {
  database = await openTestDatabase();
  mailbox = createMailbox({ database });
});
afterAll(() => database.close());

const kept = (subject: string) => ({ recipient: 'ada@example.com', subject, text: 'Hello\n\nAda' });
const message = (subject: string) => ({ ...kept(subject), language: 'en' });

test('a message is kept when its transaction is committed, and not otherwise', async () => {
  await database.prisma.$transaction((tx) => mailbox.send(tx, message('kept')));
  const failing = database.prisma.$transaction(async (tx) => {
    await mailbox.send(tx, message('lost'));
    throw new Error('rolled back');
  });
  await expect(failing).rejects.toThrow('rolled back');
  expect(await mailbox.list()).toEqual([{ id: expect.any(String), createdAt: expect.any(Date), ...kept('kept') }]);
});

test('the newest two hundred are kept, newest first', async () => {
  const sendAll = async (tx: Transaction) => {
    for (let number = 0; number < 205; number++) await mailbox.send(tx, message(String(number)));
  };
  // On a busy machine four hundred statements take longer than a transaction gets by itself.
  await database.prisma.$transaction(sendAll, { timeout: 60_000 });
  const subjects = (await mailbox.list()).map(({ subject }) => subject);
  expect(subjects).toEqual(Array.from({ length: 200 }, (_, at) => String(204 - at)));
  expect(await database.prisma.mailMessage.count()).toBe(200);
});
