import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { createOutgoingMail, MAIL } from '../../../src/platform/mail/outgoing-mail.ts';
import { createSmtpDelivery } from '../../../src/platform/mail/smtp.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { answer, type MailServer, mailServerAt, startMailServer } from '../../support/mail-server.ts';
import { eventually, type OutboxNode, startNode } from './node.ts';

const FROM = { address: 'no-reply@example.com' };

let database: TestDatabase;
let server: MailServer;
let nodes: OutboxNode[] = [];
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());
afterEach(async () => {
  for (const node of nodes) await node.close();
  nodes = [];
  await server.close();
  await database.pool.query('DELETE FROM outbox_effects');
});

const messageIds = () => server.arrived.map(({ headers }) => headers['message-id']);

async function send(node: OutboxNode, numbers: number[]): Promise<void> {
  const mail = createOutgoingMail(node);
  for (const number of numbers) {
    const message = {
      recipient: `person${number}@example.com`,
      subject: 'Hello',
      language: 'en',
      text: String(number),
    };
    await database.prisma.$transaction((tx) => mail.send(tx, message));
  }
}

const upTo = (count: number) => Array.from({ length: count }, (_, number) => number);

async function startTwo(): Promise<[OutboxNode, OutboxNode]> {
  server = await startMailServer();
  const handlers = { [MAIL]: createSmtpDelivery({ server: mailServerAt(server.port), from: FROM }) };
  const other = await database.connect();
  nodes = [startNode(database, handlers), startNode(other, handlers)];
  return nodes as [OutboxNode, OutboxNode];
}

const isAllDelivered = async (node: OutboxNode, count: number) => {
  const effects = await node.outbox.list({ onlyDead: false, limit: 1_000 });
  return effects.filter(({ state }) => state === 'delivered').length === count;
};

test('two nodes deliver two hundred messages, each of them once', async () => {
  const [one, two] = await startTwo();
  // The embedded database has one session, and takes its time.
  const many = database.kind === 'postgresql' ? 200 : 50;
  await Promise.all([send(one, upTo(many / 2)), send(two, upTo(many).slice(many / 2))]);
  await eventually(() => isAllDelivered(one, many));
  expect(server.arrived).toHaveLength(many);
  expect(new Set(messageIds()).size).toBe(many);
  expect(new Set(server.arrived.flatMap(({ to }) => to)).size).toBe(many);
}, 120_000);

test('a server that is down, busy or refuses costs no message: each arrives, or is dead with what the server said', async () => {
  const [one] = await startTwo();
  const failures = new Map<string, number>();
  server.onRecipient = (address) => {
    if (address === 'person3@example.com') throw answer(550, '5.1.1 no such user');
    const before = failures.get(address) ?? 0;
    failures.set(address, before + 1);
    if (before < 2) throw answer(451, '4.3.0 come again');
  };
  await send(one, upTo(10));
  await eventually(async () => {
    // The pauses between tries, shortened.
    await database.pool.query('UPDATE outbox_effects SET due_at = now() WHERE taken_at IS NULL AND due_at IS NOT NULL');
    return isAllDelivered(one, 9);
  });
  expect(new Set(messageIds()).size).toBe(9);
  const dead = await one.outbox.list({ onlyDead: true, limit: 10 });
  expect(dead).toEqual([
    expect.objectContaining({ target: 'person3@example.com', tries: 1, lastError: '550 5.1.1 no such user' }),
  ]);
});
