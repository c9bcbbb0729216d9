import { afterEach, describe, expect, jest, test } from '@jest/globals';
import pg from 'pg';
import { createStatementBatch, retryConflicts } from '../../src/platform/database/statement-batch.ts';
import { createArtifactStore } from '../../src/provider/adapter.ts';
import { newValue, payloadFor } from './artifacts.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));
const failure = (code: string, message = 'failed') => Object.assign(new Error(message), { code });

/** A database that answers when it is told to. */
function manualDatabase() {
  const sent: { items: number[]; answer(): void; fail(error: Error): void }[] = [];
  const send = (items: number[]) =>
    new Promise<number[]>((resolve, reject) => {
      sent.push({ items, answer: () => resolve(items.map((item) => item * 2)), fail: reject });
    });
  return { sent, send };
}

test('what is asked in one turn is one statement, and each gets its own answer', async () => {
  const sent: number[][] = [];
  const ask = createStatementBatch<number, number>({
    async send(items) {
      sent.push(items);
      return items.map((item) => item * 2);
    },
  });
  expect(await Promise.all([ask(1), ask(2), Promise.resolve().then(() => ask(3))])).toEqual([2, 4, 6]);
  expect(sent).toEqual([[1, 2, 3]]);
});

test('what is asked while a statement is under way waits for it and goes together', async () => {
  const { sent, send } = manualDatabase();
  const ask = createStatementBatch<number, number>({ send, patience: 60_000 });
  const first = ask(1);
  await turn();
  const later = [ask(2)];
  await turn();
  later.push(ask(3));
  await turn();
  expect(sent.map(({ items }) => items)).toEqual([[1]]);
  sent[0]!.answer();
  expect(await first).toBe(2);
  await turn();
  await turn();
  expect(sent.map(({ items }) => items)).toEqual([[1], [2, 3]]);
  sent[1]!.answer();
  expect(await Promise.all(later)).toEqual([4, 6]);
});

afterEach(() => {
  jest.useRealTimers();
});

describe('after a crowd', () => {
  /** Four that were answered, and four more that came meanwhile. */
  async function crowd() {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
    const { sent, send } = manualDatabase();
    const ask = createStatementBatch<number, number>({ send });
    const first = [1, 2, 3, 4].map(ask);
    await turn();
    const second = [5, 6, 7, 8].map(ask);
    sent[0]!.answer();
    await Promise.all(first);
    await turn();
    await turn();
    return { sent, ask, second, itemsOf: () => sent.map(({ items }) => items) };
  }

  test('a statement waits for those who come back, and goes with the last of them', async () => {
    const { sent, ask, second, itemsOf } = await crowd();
    const again = [9, 10, 11].map(ask);
    await turn();
    expect(itemsOf()).toEqual([[1, 2, 3, 4]]);
    again.push(ask(12));
    await turn();
    expect(itemsOf()).toEqual([
      [1, 2, 3, 4],
      [5, 6, 7, 8, 9, 10, 11, 12],
    ]);
    sent[1]!.answer();
    expect(await Promise.all([...second, ...again])).toEqual([10, 12, 14, 16, 18, 20, 22, 24]);
  });

  test('a statement that waited long enough does not go a second time with the last of them', async () => {
    const { sent, ask, second, itemsOf } = await crowd();
    const again = [9, 10, 11, 12].map(ask);
    jest.advanceTimersByTime(1);
    expect(itemsOf()).toEqual([
      [1, 2, 3, 4],
      [5, 6, 7, 8, 9, 10, 11, 12],
    ]);
    const later = ask(13);
    await turn();
    await turn();
    expect(sent).toHaveLength(2);
    sent[1]!.answer();
    await Promise.all([...second, ...again]);
    jest.advanceTimersByTime(1);
    sent[2]!.answer();
    expect(await later).toBe(26);
  });

  test('it waits for a millisecond at most, and whoever is alone then not at all', async () => {
    const { sent, ask, second, itemsOf } = await crowd();
    jest.advanceTimersByTime(1);
    expect(itemsOf()).toEqual([
      [1, 2, 3, 4],
      [5, 6, 7, 8],
    ]);
    sent[1]!.answer();
    await Promise.all(second);
    const late = ask(9);
    jest.advanceTimersByTime(1);
    sent[2]!.answer();
    expect(await late).toBe(18);
    const alone = ask(10);
    await turn();
    await turn();
    sent[3]!.answer();
    expect(await alone).toBe(20);
  });
});

test('those who have to go one after the other are no crowd, and do not wait for those who went before', async () => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
  const { sent, send } = manualDatabase();
  const ask = createStatementBatch<number, number>({ send, keysOf: () => ['the same'] });
  const all = [1, 2, 3, 4, 5, 6].map(ask);
  for (let next = 0; next < all.length; next++) {
    for (let turns = 0; turns < 3; turns++) await turn();
    expect(sent).toHaveLength(next + 1);
    sent[next]!.answer();
  }
  expect(await Promise.all(all)).toEqual([2, 4, 6, 8, 10, 12]);
});

test('a statement that does not return holds up only what shares its keys', async () => {
  const { sent, send } = manualDatabase();
  const ask = createStatementBatch<number, number>({ send, patience: 1, keysOf: (item) => [String(item % 10)] });
  const stuck = ask(1);
  await turn();
  const [same, other] = [ask(11), ask(2)];
  while (sent.length < 2) await turn();
  expect(sent.map(({ items }) => items)).toEqual([[1], [2]]);
  sent[1]!.answer();
  expect(await other).toBe(4);
  sent[0]!.answer();
  expect(await stuck).toBe(2);
  while (sent.length < 3) await turn();
  expect(sent[2]!.items).toEqual([11]);
  sent[2]!.answer();
  expect(await same).toBe(22);
});

test('items that share a key keep their order and never travel together', async () => {
  const sent: string[][] = [];
  const ask = createStatementBatch<string, string>({
    keysOf: (item) => item.split(''),
    async send(items) {
      sent.push(items);
      return items;
    },
  });
  await Promise.all(['ab', 'c', 'bd', 'de', 'c', 'f'].map(ask));
  expect(sent).toEqual([['ab', 'c', 'f'], ['bd', 'c'], ['de']]);
});

test('no statement has more items than it may', async () => {
  const sizes: number[] = [];
  const ask = createStatementBatch<number, number>({
    maxItems: 3,
    async send(items) {
      sizes.push(items.length);
      return items;
    },
  });
  expect(await Promise.all([1, 2, 3, 4, 5, 6, 7].map(ask))).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(sizes).toEqual([3, 3, 1]);
});

test('when a statement fails, its items are sent one by one and only the guilty one fails', async () => {
  const sent: number[][] = [];
  const ask = createStatementBatch<number, number>({
    async send(items) {
      sent.push(items);
      if (items.includes(2)) throw failure('22021');
      return items;
    },
  });
  const settled = await Promise.allSettled([1, 2, 3].map(ask));
  expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(sent).toEqual([[1, 2, 3], [1], [2], [3]]);
});

describe('S-063 a database that cannot be asked', () => {
  test.each([
    ['ECONNREFUSED', 'connect ECONNREFUSED'],
    ['57P01', 'terminating connection due to administrator command'],
    ['57014', 'canceling statement due to statement timeout'],
    ['53300', 'too many connections'],
    ['', 'timeout exceeded when trying to connect'],
    ['', 'Connection terminated unexpectedly'],
    ['', 'Query read timeout'],
  ])('%s %s: everybody hears that it is unavailable, and nothing is sent again', async (code, message) => {
    let statements = 0;
    const ask = createStatementBatch<number, number>({
      async send() {
        statements += 1;
        throw failure(code, message);
      },
    });
    const settled = await Promise.allSettled([ask(1), ask(2)]);
    for (const one of settled)
      expect(one).toMatchObject({ status: 'rejected', reason: { code: 'unavailable', status: 503 } });
    expect(statements).toBe(1);
  });

  test('fails every call of an adapter, none of which reports success', async () => {
    const pool = new pg.Pool({ host: '127.0.0.1', port: 1, connectionTimeoutMillis: 1_000 });
    const store = createArtifactStore({ pool, refreshSuccessorKey: Buffer.alloc(32), refreshGrace: 10 });
    const value = newValue();
    const adapter = store.adapterFor('RefreshToken');
    const calls = [
      adapter.find(value),
      adapter.upsert(value, payloadFor('RefreshToken', value), 60),
      adapter.consume(value),
      adapter.destroy(value),
      adapter.revokeByGrantId(value),
      store.adapterFor('Grant').destroy(value),
      store.adapterFor('Session').destroy(value),
      store.adapterFor('Session').findByUid(value),
      store.claimOnce(value, {}, 60),
      store.burnAfter(value),
      store.deleteExpired(),
    ];
    for (const one of await Promise.allSettled(calls)) {
      expect(one).toMatchObject({ status: 'rejected', reason: { code: 'unavailable' } });
    }
    await pool.end();
  });
});

test('a statement for which a lock was not free is sent once more, whole', async () => {
  const sent: number[][] = [];
  const ask = createStatementBatch<number, number>({
    async send(items) {
      sent.push(items);
      if (sent.length === 1) throw failure('55P03', 'canceling statement due to lock timeout');
      return items;
    },
  });
  expect(await Promise.all([1, 2].map(ask))).toEqual([1, 2]);
  expect(sent).toEqual([
    [1, 2],
    [1, 2],
  ]);
});

describe('a victim of a deadlock or of a serialization conflict', () => {
  test.each(['40P01', '40001', 'P2034'])('%s is tried again', async (code) => {
    let tries = 0;
    const result = await retryConflicts(async () => {
      tries += 1;
      if (tries < 3) throw failure(code);
      return 'done';
    });
    expect([result, tries]).toEqual(['done', 3]);
  });

  test('is recognised when Prisma wrapped it', async () => {
    let tries = 0;
    await retryConflicts(async () => {
      tries += 1;
      if (tries === 1)
        throw Object.assign(new Error('raw query failed'), {
          meta: { driverAdapterError: { cause: failure('40P01') } },
        });
    });
    expect(tries).toBe(2);
  });

  test('is given up after a few tries, and other errors at once', async () => {
    let tries = 0;
    const always = (code: string) =>
      retryConflicts(async () => {
        tries += 1;
        throw failure(code);
      });
    await expect(always('40001')).rejects.toMatchObject({ code: '40001' });
    expect(tries).toBe(5);
    await expect(always('23505')).rejects.toMatchObject({ code: '23505' });
    expect(tries).toBe(6);
  });
});
