import { beforeEach, expect, test } from '@jest/globals';
import {
  type Cache,
  createCache,
  type SharedEntries,
  type SharedEntry,
} from '../../../src/platform/accelerator/cache.ts';
import { createLocalTopics } from '../../../src/platform/accelerator/topics.ts';

const MAX_AGE = 5_000;

/** What nodes share, under the eyes of whoever can write to it. */
let stored: Map<string, SharedEntry>;
let truth: string;
let reads: number;

const shared: SharedEntries = {
  read: async (_cache, key) => stored.get(key),
  write: (_cache, key, entry) => void stored.set(key, entry),
  remove: async (_cache, key) => void stored.delete(key),
};

function node(parts: { shared?: SharedEntries; topics?: ReturnType<typeof createLocalTopics> } = {}): Cache<string> {
  const topics = parts.topics ?? createLocalTopics();
  return createCache<string>(
    {
      name: 'test',
      level: 'shared',
      maxAge: MAX_AGE,
      mostEntries: 2,
      async read() {
        reads += 1;
        return truth;
      },
    },
    { topic: topics.topic('cache:test'), shared: parts.shared ?? shared },
  );
}

beforeEach(() => {
  stored = new Map();
  truth = 'now';
  reads = 0;
});

test.each([
  ['an old snapshot', () => Date.now() - MAX_AGE],
  ['a clock that is ahead', () => Date.now() + 60_000],
  ['no time at all', () => Number.NaN],
])('what is there from %s is not believed', async (_, readAt) => {
  stored.set('a', { readAt: readAt(), value: ['before'] });
  expect(await node().find('a')).toBe('now');
  expect(reads).toBe(1);
});

test('what another node read is used for the rest of its time only', async () => {
  stored.set('a', { readAt: Date.now() - MAX_AGE + 100, value: ['shared'] });
  const cache = node();
  expect(await cache.find('a')).toBe('shared');
  await new Promise((resolve) => setTimeout(resolve, 150));
  expect(await cache.find('a')).toBe('now');
});

test('what was written before a change is not believed after it, even where it could not be removed', async () => {
  const cache = node({ shared: { ...shared, remove: async () => {} } });
  expect(await cache.find('a')).toBe('now');
  truth = 'changed';
  await cache.forget('a');
  expect(stored.get('a')?.value).toEqual(['now']);
  expect(await cache.find('a')).toBe('changed');
});

test('nor on a node that was told of it', async () => {
  const topics = createLocalTopics();
  const [one, other] = [node({ topics, shared: { ...shared, remove: async () => {} } }), node({ topics })];
  await one.find('a');
  await other.find('a');
  truth = 'changed';
  await one.forget('a');
  stored.set('a', { readAt: Date.now() - 100, value: ['now'] });
  expect(await other.find('a')).toBe('changed');
});

test('a lost or empty store is asked, and nothing else', async () => {
  const cache = node({
    shared: { read: async () => undefined, write() {}, remove: async () => {} },
  });
  expect(await cache.find('a')).toBe('now');
  expect(cache.find('a')).toBe('now');
  expect(reads).toBe(1);
});

test('those who ask at the same moment share one reading', async () => {
  const cache = node();
  expect(await Promise.all(Array.from({ length: 50 }, () => cache.find('a')))).toEqual(Array(50).fill('now'));
  expect(reads).toBe(1);
});

test('memory is bounded', async () => {
  const cache = node({ shared: { read: async () => undefined, write() {}, remove: async () => {} } });
  for (const key of ['a', 'b', 'c']) await cache.find(key);
  expect(cache.find('c')).toBe('now');
  expect(cache.find('a')).toBeInstanceOf(Promise);
});
