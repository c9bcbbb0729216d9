import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Accelerator } from '../../src/platform/accelerator/accelerator.ts';
import { until } from '../support/redis.ts';

/** Two nodes; one and the same where there is only one. */
export interface AcceleratorPair {
  nodes: [Accelerator, Accelerator];
  isShared: boolean;
  close(): Promise<void>;
}

/** What holds for every accelerator, whatever it is built on. */
export function describeAccelerator(title: string, open: () => Promise<AcceleratorPair>): void {
  describe(title, () => {
    let pair: AcceleratorPair;
    let one: Accelerator;
    let two: Accelerator;
    let names = 0;
    const newName = () => `name-${++names}`;
    beforeAll(async () => {
      pair = await open();
      [one, two] = pair.nodes;
    });
    afterAll(() => pair?.close());

    test('so many tries are allowed on one node, however many come at once, and then the time to wait is told', async () => {
      const counter = one.counter({ name: newName(), points: 10, seconds: 60 });
      const decisions = await Promise.all(Array.from({ length: 100 }, () => counter.take('a')));
      expect(decisions.filter(({ allowed }) => allowed)).toHaveLength(10);
      expect(decisions.filter((decision) => !decision.allowed && decision.isFirst)).toHaveLength(1);
      const refused = counter.peek('a');
      expect(!refused.allowed && refused.retryAfter).toBeGreaterThan(0);
      expect(!refused.allowed && refused.retryAfter).toBeLessThanOrEqual(60);
      expect(counter.peek('b')).toEqual({ allowed: true });
    });

    test('what was used up on one node is soon used up on the other', async () => {
      const options = { name: newName(), points: 5, seconds: 600 };
      const counter = one.counter(options);
      // A name is a counter's: of one node it is asked for once.
      const other = pair.isShared ? two.counter(options) : counter;
      for (let tries = 0; tries < 5; tries++) await counter.take('a');
      expect(counter.peek('a').allowed).toBe(false);
      let taken = 0;
      await until(async () => {
        const { allowed } = await other.take('a');
        if (allowed) taken += 1;
        return !allowed;
      });
      // Its own count would have let five through.
      expect(taken).toBeLessThan(5);
      const refused = other.peek('a');
      expect(!refused.allowed && refused.retryAfter).toBeLessThanOrEqual(600);
    });

    test('counters of different names, and keys of one counter, know nothing of each other', async () => {
      const [name, otherName] = [newName(), newName()];
      const counter = one.counter({ name, points: 1, seconds: 60 });
      await counter.take('a');
      expect((await counter.take('a')).allowed).toBe(false);
      expect((await counter.take('b')).allowed).toBe(true);
      expect((await two.counter({ name: otherName, points: 1, seconds: 60 }).take('a')).allowed).toBe(true);
    });

    test('what was given back does not count', async () => {
      const counter = one.counter({ name: newName(), points: 2, seconds: 60 });
      for (let round = 0; round < 10; round++) {
        expect((await counter.take('a')).allowed).toBe(true);
        await counter.giveBack('a');
      }
    });

    test('a value is read once, and again when it is forgotten, on every node', async () => {
      const truth = new Map([['a', 1]]);
      const reads: string[] = [];
      const options = {
        name: newName(),
        level: 'shared' as const,
        maxAge: 600_000,
        mostEntries: 10,
        async read(key: string) {
          reads.push(key);
          return truth.get(key);
        },
      };
      const cache = one.cache(options);
      const other = pair.isShared ? two.cache(options) : cache;
      expect(await cache.find('a')).toBe(1);
      expect(cache.find('a')).toBe(1);
      expect(reads).toEqual(['a']);
      expect(await other.find('a')).toBe(1);
      for (const round of [2, 3]) {
        truth.set('a', round);
        await (round === 2 ? cache : other).forget('a');
        // Long before its time is over.
        await until(async () => (await cache.find('a')) === round && (await other.find('a')) === round);
      }
    });

    test('what one node has read the other need not read', async () => {
      let reads = 0;
      const options = {
        level: 'shared' as const,
        maxAge: 600_000,
        mostEntries: 10,
        async read(key: string) {
          reads += 1;
          return { key, nested: ['list', null, 1.5] };
        },
      };
      await until(async () => {
        reads = 0;
        const name = newName();
        const cache = one.cache({ ...options, name });
        const other = pair.isShared ? two.cache({ ...options, name }) : cache;
        const found = await cache.find('a');
        // It is written after it was answered.
        await new Promise((resolve) => setTimeout(resolve, 100));
        expect(await other.find('a')).toEqual(found);
        return reads === 1;
      });
    });

    test('that there is nothing is remembered only where that was asked for', async () => {
      const reads: string[] = [];
      const options = {
        level: 'shared' as const,
        maxAge: 600_000,
        mostEntries: 10,
        async read(key: string): Promise<number | undefined> {
          reads.push(key);
          return undefined;
        },
      };
      const remembers = one.cache({ ...options, name: newName(), keepsMissing: true });
      for (let round = 0; round < 3; round++) expect(await remembers.find('kept')).toBeUndefined();
      const asks = one.cache({ ...options, name: newName() });
      for (let round = 0; round < 3; round++) expect(await asks.find('asked')).toBeUndefined();
      expect(reads).toEqual(['kept', 'asked', 'asked', 'asked']);
    });

    test('a failure to read is told to whoever asked, and not remembered', async () => {
      let failure: Error | undefined = new Error('the database is away');
      const cache = one.cache({
        name: newName(),
        level: 'shared',
        maxAge: 600_000,
        mostEntries: 10,
        async read() {
          if (failure) throw failure;
          return 'found';
        },
      });
      await expect(cache.find('a')).rejects.toThrow('the database is away');
      failure = undefined;
      expect(await cache.find('a')).toBe('found');
    });

    test('what was being read while it changed is not kept', async () => {
      let truth = 'before';
      let answer = () => {};
      let wait: Promise<void> | undefined = new Promise((resolve) => {
        answer = resolve;
      });
      let isAsked = false;
      const options = {
        name: newName(),
        level: 'shared' as const,
        maxAge: 600_000,
        mostEntries: 10,
        async read() {
          const found = truth;
          isAsked = true;
          await wait;
          return found;
        },
      };
      const cache = one.cache(options);
      const asked = cache.find('a');
      await until(() => isAsked);
      truth = 'after';
      await cache.forget('a');
      wait = undefined;
      expect(await cache.find('a')).toBe('after');
      answer();
      expect(await asked).toBe('before');
      expect(await cache.find('a')).toBe('after');
    });

    test('a message is heard on its own node at once and on the other soon, until one stops listening', async () => {
      const name = newName();
      const heard: string[] = [];
      const elsewhere: string[] = [];
      const stop = one.topic(name).subscribe((message) => heard.push(message));
      two.topic(name).subscribe((message) => elsewhere.push(message));
      void one.topic(name).publish('first');
      expect(heard).toEqual(['first']);
      await until(async () => {
        if (elsewhere.length > 0) return true;
        await one.topic(name).publish('again');
        return false;
      });
      expect(elsewhere.every((message) => ['first', 'again'].includes(message))).toBe(true);
      stop();
      const before = heard.length;
      await one.topic(name).publish('last');
      expect(heard).toHaveLength(before);
    });
  });
}
