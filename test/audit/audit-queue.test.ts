import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { createAuditQueue } from '../../src/audit/audit-queue.ts';

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
});
afterEach(() => {
  jest.useRealTimers();
});

const settled = () => new Promise((resolve) => setImmediate(resolve));
const refused = Object.assign(new Error('value too long'), { code: '22001' });
const away = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });

/** A table whose statements end when they are told to. */
function table() {
  const statements: { rows: number[]; finish(error?: Error): void }[] = [];
  const insert = (rows: number[]) =>
    new Promise<void>((resolve, reject) => {
      statements.push({ rows, finish: (error) => (error ? reject(error) : resolve()) });
    });
  return { statements, insert };
}

const numbers = (count: number, from = 0) => Array.from({ length: count }, (_, at) => from + at);

test('rows of twenty milliseconds are one statement', async () => {
  const { statements, insert } = table();
  const queue = createAuditQueue({ insert });
  const added = numbers(3).map((row) => queue.add(row));
  jest.advanceTimersByTime(19);
  added.push(queue.add(3));
  expect(statements).toHaveLength(0);
  jest.advanceTimersByTime(1);
  expect(statements.map(({ rows }) => rows)).toEqual([numbers(4)]);
  statements[0]!.finish();
  await Promise.all(added);
});

test('five hundred rows do not wait, and no statement has more', async () => {
  const { statements, insert } = table();
  const queue = createAuditQueue({ insert });
  const added = numbers(1_100).map((row) => queue.add(row));
  for (let statement = 0; statement < 3; statement++) {
    expect(statements).toHaveLength(statement + 1);
    statements[statement]!.finish();
    await settled();
    jest.advanceTimersByTime(20);
  }
  await Promise.all(added);
  expect(statements.map(({ rows }) => rows.length)).toEqual([500, 500, 100]);
  expect(statements.flatMap(({ rows }) => rows)).toEqual(numbers(1_100));
});

test('one statement runs at a time, and the next takes all that came meanwhile', async () => {
  const { statements, insert } = table();
  const queue = createAuditQueue({ insert });
  queue.add(0);
  jest.advanceTimersByTime(20);
  numbers(50, 1).map((row) => queue.add(row));
  jest.advanceTimersByTime(1_000);
  expect(statements).toHaveLength(1);
  statements[0]!.finish();
  await settled();
  jest.advanceTimersByTime(20);
  expect(statements[1]!.rows).toHaveLength(50);
});

test('a row is kept only once it is stored', async () => {
  const { statements, insert } = table();
  const queue = createAuditQueue({ insert });
  let isKept = false;
  const kept = queue.add(0).then(() => {
    isKept = true;
  });
  jest.advanceTimersByTime(20);
  await settled();
  expect(isKept).toBe(false);
  statements[0]!.finish();
  await kept;
  expect(isKept).toBe(true);
});

test('a row that the database refuses does not take the others with it', async () => {
  const stored: number[] = [];
  const insert = async (rows: number[]) => {
    if (rows.includes(2)) throw refused;
    stored.push(...rows);
  };
  const queue = createAuditQueue({ insert });
  const added = Promise.allSettled(numbers(5).map((row) => queue.add(row)));
  await queue.close();
  expect((await added).map(({ status }) => status)).toEqual([
    'fulfilled',
    'fulfilled',
    'rejected',
    'fulfilled',
    'fulfilled',
  ]);
  expect(stored).toEqual([0, 1, 3, 4]);
});

test('without a database, rows fail as unavailable instead of being tried one by one', async () => {
  const { statements, insert } = table();
  const queue = createAuditQueue({ insert });
  const added = Promise.allSettled(numbers(3).map((row) => queue.add(row)));
  jest.advanceTimersByTime(20);
  statements[0]!.finish(away);
  for (const outcome of await added) {
    expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'unavailable' } });
  }
  expect(statements).toHaveLength(1);
});

test('a full queue says so, refuses at once, and takes rows again later', async () => {
  const { statements, insert } = table();
  const queue = createAuditQueue({ insert, capacity: 3, largest: 2 });
  const added = numbers(5).map((row) => queue.add(row));
  expect(queue.hasRoom()).toBe(false);
  await expect(queue.add(5)).rejects.toMatchObject({ code: 'unavailable' });
  statements[0]!.finish();
  await settled();
  statements[1]!.finish();
  await settled();
  expect(queue.hasRoom()).toBe(true);
  const last = queue.add(6);
  await Promise.all(added.slice(0, 4));
  statements[2]!.finish();
  await Promise.all([added[4], last]);
  expect(statements.map(({ rows }) => rows)).toEqual([
    [0, 1],
    [2, 3],
    [4, 6],
  ]);
});

test('closing stores what waits and takes nothing more', async () => {
  const stored: number[] = [];
  const queue = createAuditQueue({ insert: async (rows: number[]) => void stored.push(...rows), largest: 2 });
  const added = numbers(5).map((row) => queue.add(row));
  await Promise.all([queue.close(), queue.close()]);
  await Promise.all(added);
  expect(stored).toEqual(numbers(5));
  await expect(queue.add(5)).rejects.toMatchObject({ code: 'unavailable' });
});
