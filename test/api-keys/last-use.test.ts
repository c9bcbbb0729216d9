import { expect, test } from '@jest/globals';
import { createLastUse } from '../../src/api-keys/last-use.ts';
import { createUseWriter } from '../../src/api-keys/upkeep.store.ts';
import { createPerson } from '../accounts/node.ts';
import { recordStatements } from '../support/recorded-statements.ts';
import { actingFor, type KeyNode, makeKey, startKeyNode, useKeyNodes } from './key-nodes.ts';

let node: KeyNode;
useKeyNodes((nodes) => {
  node = nodes.node;
});

const silent = { warn() {} };

test('at 1,000 uses a second a key is noted at most once a minute, all keys together in one statement', async () => {
  let time = 0;
  const writes: { at: number; uses: { id: string; age: number }[] }[] = [];
  const lastUse = createLastUse({
    write: async (uses) => void writes.push({ at: time, uses }),
    logger: silent,
    now: () => time,
    flushInterval: 3_600_000,
  });
  const minutes = 5;
  for (let second = 0; second < minutes * 60; second++) {
    for (let use = 0; use < 1_000; use++) {
      time = second * 1_000 + use;
      lastUse.used(use % 2 ? 'one' : 'two');
    }
    // As often as the timer does, which is every five seconds.
    if (second % 5 === 4) await lastUse.flush();
  }
  for (const id of ['one', 'two']) {
    const times = writes.filter(({ uses }) => uses.some((use) => use.id === id)).map(({ at }) => at);
    expect(times).toHaveLength(minutes);
    for (const [index, at] of times.entries())
      if (index > 0) expect(at - times[index - 1]!).toBeGreaterThanOrEqual(60_000);
  }
  expect(writes).toHaveLength(minutes);
  // The first is seen within seconds, and what is written is the latest use.
  expect(writes[0]!.at).toBeLessThan(5_000);
  expect(writes.every(({ uses }) => uses.every(({ age }) => age <= 1))).toBe(true);
  await lastUse.close();
});

test('what could not be noted is noted later, and a use that comes meanwhile is not lost either', async () => {
  let time = 0;
  let fails = true;
  const written: { id: string; age: number }[][] = [];
  const lastUse = createLastUse({
    async write(uses) {
      if (fails) throw new Error('the database is away');
      written.push(uses);
    },
    logger: silent,
    now: () => time,
    flushInterval: 3_600_000,
  });
  lastUse.used('one');
  lastUse.used('two');
  await lastUse.flush();
  time = 500;
  lastUse.used('two');
  fails = false;
  await lastUse.flush();
  expect(written).toEqual([
    [
      { id: 'one', age: 500 },
      { id: 'two', age: 0 },
    ],
  ]);
  await lastUse.close();
});

test('keys that are not used any more are forgotten, and what waits at the end is noted', async () => {
  let time = 0;
  const written: string[][] = [];
  const lastUse = createLastUse({
    write: async (uses) => void written.push(uses.map(({ id }) => id)),
    logger: silent,
    now: () => time,
    flushInterval: 3_600_000,
  });
  lastUse.used('one');
  await lastUse.flush();
  time = 1_000;
  lastUse.used('one');
  await lastUse.flush();
  expect(written).toEqual([['one']]);
  await lastUse.close();
  expect(written).toEqual([['one'], ['one']]);
  time = 120_000;
  await lastUse.flush();
  expect(written).toHaveLength(2);
});

test('in the database a use is never moved back, is written once a minute whoever notes it, and once for many keys', async () => {
  const { id: alice } = await createPerson(node);
  const [one, two] = [
    await makeKey(node, { kind: 'user', id: alice }),
    await makeKey(node, { kind: 'user', id: alice }),
  ];
  const lastUsed = async (id: string) => (await node.apiKeys.find(id, actingFor(alice)))!.lastUsedAt;
  const write = createUseWriter(node.database.pool);
  const statements = recordStatements(node.database.pool);
  const updates = () => statements.filter(({ text }) => /^UPDATE api_keys/.test(text)).length;

  await write([
    { id: one.id, age: 90_000 },
    { id: two.id, age: 0 },
  ]);
  expect(updates()).toBe(1);
  const [first, second] = [await lastUsed(one.id), await lastUsed(two.id)];
  expect(second!.getTime() - first!.getTime()).toBeGreaterThan(80_000);
  // Older, and of the same minute: as another node would say it.
  await write([{ id: two.id, age: 200_000 }]);
  await write([{ id: two.id, age: 0 }]);
  expect(await lastUsed(two.id)).toEqual(second);
  await write([{ id: one.id, age: 0 }]);
  expect((await lastUsed(one.id))!.getTime()).toBeGreaterThan(first!.getTime());
});

test('a thousand checks of a key are one read and one note', async () => {
  const { id: alice } = await createPerson(node);
  const key = await makeKey(node, { kind: 'user', id: alice });
  // A clock that stands still, since a slow machine takes longer than keys are remembered.
  const fresh = startKeyNode(node.database, { maxAge: 3_600_000 });
  const statements = recordStatements(node.database.pool);
  await fresh.resourceServers.list();
  const before = statements.length;
  for (let use = 0; use < 1_000; use++) {
    expect((await fresh.apiKeyCheck.check(key.value, {})).kind).toBe('valid');
  }
  expect(statements.slice(before).filter(({ text }) => /api_keys/.test(text))).toHaveLength(1);
  await fresh.close();
  const notes = statements.slice(before).filter(({ text }) => /^UPDATE/.test(text));
  expect(notes.map(({ values }) => values[0])).toEqual([[key.id]]);
  expect((await node.apiKeys.find(key.id, actingFor(alice)))!.lastUsedAt).toBeInstanceOf(Date);
});
