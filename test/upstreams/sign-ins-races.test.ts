import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { openNode } from './sign-ins-fixtures.ts';

let database: TestDatabase;
let nodes: ReturnType<typeof openNode>[];
beforeAll(async () => {
  database = await openTestDatabase();
  nodes = [openNode(database), openNode(await database.connect())];
});
afterAll(async () => {
  for (const node of nodes) await node.close();
  await database.close();
});

function countBy(kinds: string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const kind of kinds) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

test('S-095 of thousands of callbacks that come twice at once, on two nodes, each counts exactly once', async () => {
  const kinds: string[] = [];
  // In waves, so that all of one are under way together and none waits for a connection for too long.
  for (let wave = 0; wave < 15; wave++) {
    const uids = Array.from({ length: 100 }, (_, index) => `i-${wave}-${index}`);
    const states = await Promise.all(uids.map((uid, index) => nodes[index % 2]!.begin(uid)));
    const twice = states.flatMap((state, index) => nodes.map((node) => node.finish(uids[index]!, state)));
    for (const { kind } of await Promise.all(twice)) kinds.push(kind);
  }
  expect(countBy(kinds)).toEqual({ identified: 1_500, spent: 1_500 });
  const finished = nodes.flatMap(({ google }) => google.finished.map(({ attempt }) => attempt.state));
  const begun = nodes.flatMap(({ google }) => google.begun.map(({ state }) => state));
  expect(finished.toSorted()).toEqual(begun.toSorted());
});

test('S-095 of two hundred callbacks of one state at once, one counts', async () => {
  const state = await nodes[0]!.begin('i-1');
  const outcomes = await Promise.all(Array.from({ length: 200 }, (_, index) => nodes[index % 2]!.finish('i-1', state)));
  expect(countBy(outcomes.map(({ kind }) => kind))).toEqual({ identified: 1, spent: 199 });
});

test('S-100 once a connection is said to be disabled, nobody gets in any more at any node, whatever is under way', async () => {
  const states = await Promise.all(Array.from({ length: 200 }, (_, index) => nodes[0]!.begin(`d-${index}`, 'discord')));
  const arrive = (from: number, to: number) =>
    Promise.all(
      states.slice(from, to).map(async (state, index) => {
        const outcome = await nodes[index % 2]!.finish(`d-${from + index}`, state, 'discord');
        return outcome.kind;
      }),
    );
  const atTheSameTime = arrive(0, 100);
  expect(await nodes[1]!.connections.disable('discord', { actor: 'cli' })).toBe('done');
  const afterwards = await arrive(100, 200);
  expect(countBy(afterwards)).toEqual({ disabled: 100 });
  for (const kind of await atTheSameTime) expect(['identified', 'disabled']).toContain(kind);
});
