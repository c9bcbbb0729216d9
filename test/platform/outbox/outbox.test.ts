import { afterAll, afterEach, beforeAll, beforeEach, expect, jest, test } from '@jest/globals';
import { createMetrics } from '../../../src/platform/metrics.ts';
import { createOutboxCleanUp } from '../../../src/platform/outbox/clean-up.ts';
import type { DeliveryOutcome, Effect } from '../../../src/platform/outbox/effect.ts';
import { TRIES } from '../../../src/platform/outbox/outbox.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { add, eventually, letter, type OutboxNode, passTime, startNode, until } from './node.ts';

const LINK = 'https://id.example.com/link/one-time-secret-of-somebody';

let database: TestDatabase;
let node: OutboxNode;
/** What the handler got, and what it answers. */
let seen: Effect[];
let deliver: (effect: Effect, signal: AbortSignal) => Promise<DeliveryOutcome>;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());
beforeEach(async () => {
  await database.pool.query('DELETE FROM outbox_effects');
  seen = [];
  deliver = async () => ({ kind: 'delivered' });
  node = start();
});
afterEach(() => node.close());

function start(options: Parameters<typeof startNode>[2] = {}): OutboxNode {
  const handler = {
    deliver(effect: Effect, signal: AbortSignal) {
      seen.push(effect);
      return deliver(effect, signal);
    },
  };
  return startNode(database, { letter: handler }, options);
}

async function dump(): Promise<string> {
  const { rows } = await database.pool.query('SELECT row_to_json(o)::text AS text, o.* FROM outbox_effects o');
  // Also what bytes would say as text.
  return rows
    .map((row) => `${row.text} ${row.sealed?.toString('latin1')} ${row.sealed?.toString('base64')}`)
    .join('\n');
}

test('what is written in a transaction happens once it is committed, and the log says when', async () => {
  const id = await add(database, node.outbox, letter({ payload: { text: LINK } }));
  const logged = await until(node.outbox, id, ({ state }) => state === 'delivered');
  expect(seen).toEqual([{ id, target: 'ada@example.com', payload: { text: LINK }, createdAt: expect.any(Date) }]);
  expect(logged).toMatchObject({ kind: 'letter', target: 'ada@example.com', summary: 'Hello', tries: 1 });
  expect(logged.deliveredAt).toBeInstanceOf(Date);
});

test('a transaction that is rolled back sends nothing', async () => {
  const failing = database.prisma.$transaction(async (tx) => {
    await node.outbox.add(tx, letter());
    throw new Error('rolled back');
  });
  await expect(failing).rejects.toThrow('rolled back');
  const id = await add(database, node.outbox, letter({ summary: 'after it' }));
  await until(node.outbox, id, ({ state }) => state === 'delivered');
  expect(seen).toHaveLength(1);
  expect(await node.outbox.list({ onlyDead: false, limit: 10 })).toHaveLength(1);
});

test('a copy of the database shows no link while it waits, and has nothing sealed once it is delivered', async () => {
  await node.close();
  const id = await add(database, node.outbox, letter({ payload: { text: LINK } }));
  const waiting = await dump();
  expect(waiting).toContain('"summary":"Hello"');
  expect(waiting).not.toContain('one-time-secret');
  expect(waiting).not.toContain(Buffer.from(LINK).toString('base64').slice(8, 40));
  node = start();
  await until(node.outbox, id, ({ state }) => state === 'delivered');
  expect(seen[0]!.payload).toEqual({ text: LINK });
  const { rows } = await database.pool.query('SELECT sealed, wrapped_data_key, kek_id FROM outbox_effects');
  expect(rows).toEqual([{ sealed: null, wrapped_data_key: null, kek_id: null }]);
});

test.each([
  ['target', "target = 'eve@example.com'"],
  ['payload', "sealed = overlay(sealed PLACING '\\x00' FROM 20)"],
])('whoever can write into the table cannot change the %s of what is sealed', async (_what, change) => {
  await node.close();
  const id = await add(database, node.outbox);
  await database.pool.query(`UPDATE outbox_effects SET ${change}`);
  node = start();
  const logged = await until(node.outbox, id, ({ lastError }) => lastError !== undefined);
  expect(logged.state).toBe('waiting');
  expect(seen).toEqual([]);
});

test('what fails is tried again after a pause that grows, with the same id, until it succeeds', async () => {
  deliver = async () => ({ kind: seen.length < 3 ? 'failed' : 'delivered', reason: 'busy' }) as DeliveryOutcome;
  const id = await add(database, node.outbox);
  const pauses: number[] = [];
  for (const tries of [1, 2]) {
    const { dueAt } = await until(
      node.outbox,
      id,
      (effect) => effect.tries === tries && effect.lastError === 'busy' && effect.state === 'waiting',
    );
    const { rows } = await database.pool.query<{ now: Date }>('SELECT now()');
    pauses.push(dueAt!.getTime() - rows[0]!.now.getTime());
    await passTime(database, id);
  }
  // 5 s and 10 s, up to half less, and a while has gone by since.
  expect(pauses[0]).toBeLessThanOrEqual(5_000);
  expect(pauses[1]).toBeLessThanOrEqual(10_000);
  const logged = await until(node.outbox, id, ({ state }) => state === 'delivered');
  expect(logged).toMatchObject({ tries: 3 });
  expect(logged.lastError).toBeUndefined();
  expect(new Set(seen.map((effect) => effect.id))).toEqual(new Set([id]));
});

test('after so many tries it is dead, listed as such, and lives again when somebody says so', async () => {
  deliver = async () => ({ kind: 'failed', reason: 'nobody at home' });
  await node.close();
  const id = await add(database, node.outbox);
  await database.pool.query('UPDATE outbox_effects SET tries = $1', [TRIES - 1]);
  node = start();
  const dead = await until(node.outbox, id, ({ state }) => state === 'dead');
  expect(dead).toMatchObject({ tries: TRIES, lastError: 'nobody at home', canBeRetried: true });
  await add(database, node.outbox, letter({ summary: 'another' }));
  expect((await node.outbox.list({ onlyDead: true, limit: 10 })).map((effect) => effect.id)).toEqual([id]);
  deliver = async () => ({ kind: 'delivered' });
  expect(await node.outbox.retry(id)).toBe('done');
  expect(await until(node.outbox, id, ({ state }) => state === 'delivered')).toMatchObject({ tries: TRIES + 1 });
  expect(await node.outbox.retry(id)).toBe('delivered');
  expect(await node.outbox.retry('nothing')).toBe('not_found');
});

test('what whoever tried it never lived to report on is given up after as many tries, and not begun once more', async () => {
  await node.close();
  const id = await add(database, node.outbox);
  // As after as many nodes that died of it.
  await database.pool.query('UPDATE outbox_effects SET tries = $1, claims = $1, taken_at = now()', [TRIES]);
  node = start();
  const dead = await until(node.outbox, id, ({ state }) => state === 'dead');
  expect(dead).toMatchObject({ lastError: 'none of those who tried it said what came of it', canBeRetried: true });
  expect(seen).toEqual([]);
  expect(await node.outbox.retry(id)).toBe('done');
  await until(node.outbox, id, ({ state }) => state === 'delivered');
});

test('figures that cannot be had hold up no delivery', async () => {
  await node.close();
  const pool = {
    query(...order: [string, unknown[]]) {
      if (order[0].includes('AS waiting')) return Promise.reject(new Error('too slow'));
      return database.pool.query(...order);
    },
  };
  const metrics = await createMetrics();
  const blind = startNode(
    { ...database, pool: pool as never },
    { letter: { deliver: async () => ({ kind: 'delivered' }) } },
    { metrics },
  );
  try {
    const id = await add(database, blind.outbox);
    await until(blind.outbox, id, ({ state }) => state === 'delivered');
  } finally {
    await blind.close();
  }
});

test('however often something is added, what is due is looked for meanwhile', async () => {
  jest.useFakeTimers();
  let looks = 0;
  const pool = {
    async query() {
      looks += 1;
      return { rows: [], rowCount: 0 };
    },
  };
  let knock = () => {};
  const outbox = {
    onAdd(listener: () => void) {
      knock = listener;
    },
  };
  const handlers = { letter: { deliver: async () => ({ kind: 'delivered' as const }) } };
  const busy = startNode({ ...database, pool: pool as never }, handlers, { interval: 3_600_000, outbox });
  try {
    await jest.advanceTimersByTimeAsync(10);
    const before = looks;
    for (let round = 0; round < 100; round++) {
      knock();
      await jest.advanceTimersByTimeAsync(10);
    }
    // Every 50 ms.
    expect(looks - before).toBeGreaterThan(10);
    expect(looks - before).toBeLessThanOrEqual(25);
  } finally {
    await busy.close();
    jest.useRealTimers();
  }
});

test('what is refused for good is dead at once, with the reason and no link in it', async () => {
  deliver = async () => ({ kind: 'refused', reason: `550 no such\r\nuser \u001b[31m ${LINK}` });
  const id = await add(database, node.outbox);
  const dead = await until(node.outbox, id, ({ state }) => state === 'dead');
  expect(dead).toMatchObject({ tries: 1, lastError: '550 no such user [31m [link]' });
  expect(JSON.stringify(node.lines)).not.toContain('one-time-secret');
});

test('what is put off counts as no try', async () => {
  deliver = async () =>
    seen.length === 1 ? { kind: 'delayed', seconds: 3600, reason: 'too many' } : { kind: 'delivered' };
  const id = await add(database, node.outbox);
  const delayed = await until(
    node.outbox,
    id,
    ({ lastError, state }) => lastError === 'too many' && state === 'waiting',
  );
  expect(delayed.tries).toBe(0);
  expect(delayed.dueAt!.getTime() - delayed.createdAt.getTime()).toBeGreaterThan(3_500_000);
  // Who does not want to wait says so.
  expect(await node.outbox.retry(id)).toBe('done');
  expect(await until(node.outbox, id, ({ state }) => state === 'delivered')).toMatchObject({ tries: 1 });
});

test('a handler that throws or does not come to an end has failed, and the others go on', async () => {
  await node.close();
  node = start({ deadline: 200, concurrency: 2 });
  deliver = ({ target }) => {
    if (target === 'throws') throw new Error('broken');
    return target === 'hangs' ? new Promise(() => {}) : Promise.resolve({ kind: 'delivered' });
  };
  const hangs = await add(database, node.outbox, letter({ target: 'hangs' }));
  const throws = await add(database, node.outbox, letter({ target: 'throws' }));
  const works = await add(database, node.outbox, letter({ target: 'works' }));
  expect((await until(node.outbox, hangs, ({ lastError }) => lastError !== undefined)).lastError).toBe(
    'no end after 0.2 s',
  );
  expect((await until(node.outbox, throws, ({ lastError }) => lastError !== undefined)).lastError).toBe('broken');
  await until(node.outbox, works, ({ state }) => state === 'delivered');
});

test('what somebody took and never reported on is taken by another when the lease is over, and the late report of a failure does not count', async () => {
  await node.close();
  let release: () => void = () => {};
  deliver = () => {
    if (seen.length > 1) return Promise.resolve({ kind: 'delivered' });
    return new Promise((resolve) => {
      release = () => resolve({ kind: 'refused', reason: 'late' });
    });
  };
  const slow = start();
  const id = await add(database, slow.outbox);
  await eventually(() => seen.length === 1);
  expect(await slow.outbox.find(id)).toMatchObject({ state: 'delivering' });
  expect(await slow.outbox.retry(id)).toBe('delivering');
  node = start();
  await passTime(database, id);
  await until(node.outbox, id, ({ state }) => state === 'delivered');
  release();
  await slow.close();
  expect(await node.outbox.find(id)).toMatchObject({ state: 'delivered', tries: 2 });
  expect(seen.map((effect) => effect.id)).toEqual([id, id]);
});

test('a service that stops hands back what it is at, and another goes on at once', async () => {
  deliver = (_effect, signal) => {
    if (seen.length > 1) return Promise.resolve({ kind: 'delivered' });
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('interrupted'))));
  };
  const id = await add(database, node.outbox);
  await eventually(() => seen.length === 1);
  await node.close();
  expect(await node.outbox.find(id)).toMatchObject({
    state: 'waiting',
    tries: 0,
    lastError: 'the service was stopped',
  });
  node = start();
  await until(node.outbox, id, ({ state }) => state === 'delivered');
});

test('kinds that a node has no handler for wait for one that has', async () => {
  const id = await add(database, node.outbox, letter({ kind: 'webhook' }));
  const after = await add(database, node.outbox);
  await until(node.outbox, after, ({ state }) => state === 'delivered');
  expect(await node.outbox.find(id)).toMatchObject({ state: 'waiting', tries: 0 });
  const other = startNode(database, { webhook: { deliver: async () => ({ kind: 'delivered' }) } });
  await until(node.outbox, id, ({ state }) => state === 'delivered');
  await other.close();
});

test('what is of no use any more is given up and erased, whether a node has a handler for it or not', async () => {
  await node.close();
  const handled = await add(database, node.outbox, letter({ usefulFor: 60 }));
  const unhandled = await add(database, node.outbox, letter({ kind: 'webhook', usefulFor: 60 }));
  const late = await add(database, node.outbox, letter({ kind: 'webhook', usefulFor: 60 }));
  const useful = await add(database, node.outbox, letter({ kind: 'webhook', usefulFor: 3600 }));
  await database.pool.query(`UPDATE outbox_effects SET expires_at = expires_at - interval '2 minutes'`);
  node = start();
  await until(node.outbox, handled, ({ state }) => state === 'dead');
  // Also before it is erased.
  await database.pool.query(
    `UPDATE outbox_effects SET due_at = NULL, died_at = now() WHERE id = $1 AND sealed IS NOT NULL`,
    [unhandled],
  );
  expect(await node.outbox.retry(unhandled)).toBe('erased');
  await createOutboxCleanUp(database)();
  for (const id of [handled, late]) {
    expect((await node.outbox.find(id))?.lastError).toBe('it was of no use any more');
  }
  for (const id of [handled, unhandled, late]) {
    expect(await node.outbox.find(id)).toMatchObject({ state: 'dead', canBeRetried: false });
    expect(await node.outbox.retry(id)).toBe('erased');
  }
  expect(await node.outbox.find(useful)).toMatchObject({ state: 'waiting' });
  expect(seen).toEqual([]);
});

test('entries are removed thirty days after their end, and never before it', async () => {
  await node.close();
  const old = await add(database, node.outbox, letter({ summary: 'old' }));
  const recent = await add(database, node.outbox, letter({ summary: 'recent' }));
  const waiting = await add(database, node.outbox, letter({ summary: 'waiting' }));
  const deliveredAgo = (id: string, days: number) =>
    database.pool.query(
      `UPDATE outbox_effects SET due_at = NULL, delivered_at = now() - make_interval(days => $2) WHERE id = $1`,
      [id, days],
    );
  await deliveredAgo(old, 31);
  await deliveredAgo(recent, 29);
  await database.pool.query(`UPDATE outbox_effects SET created_at = now() - interval '1 year'`);
  expect(await createOutboxCleanUp(database)()).toBe(false);
  const left = await node.outbox.list({ onlyDead: false, limit: 10 });
  expect(left.map(({ id }) => id)).toEqual([waiting, recent]);
  node = start();
});
