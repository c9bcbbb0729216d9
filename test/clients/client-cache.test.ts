import { expect, test } from '@jest/globals';
import type { RelyingParty } from '../../src/clients/client.ts';
import { createClientCache, MAX_AGE } from '../../src/clients/client-cache.ts';

/** Two nodes on one table, a clock that is moved by hand, and reads that answer when they are told to. */
function twoNodes() {
  const stored = new Map<string, RelyingParty>();
  let clock = 0;
  let reads = 0;
  const paused: number[] = [];
  let answerWhen: Promise<void> | undefined;

  const node = () =>
    createClientCache(
      async (id) => {
        reads += 1;
        const found = stored.get(id);
        await answerWhen;
        return found && { ...found };
      },
      {
        now: () => clock,
        pause: async (milliseconds) => {
          paused.push(milliseconds);
          clock += milliseconds;
        },
      },
    );
  return {
    first: node(),
    second: node(),
    write: (party: Partial<RelyingParty>) =>
      stored.set('app', { id: 'app', version: 1, secretDigests: [], ...party } as never),
    remove: () => stored.delete('app'),
    later: (milliseconds: number) => {
      clock += milliseconds;
    },
    holdAnswers(until: Promise<void> | undefined) {
      answerWhen = until;
    },
    reads: () => reads,
    paused,
  };
}

test('a client is read once for all that ask within its time, and again after it', async () => {
  const { first, write, later, reads } = twoNodes();
  write({ name: 'Notes' });
  const party = await first.find('app');
  later(MAX_AGE - 1);
  expect(first.find('app')).toBe(party);
  expect(reads()).toBe(1);
  later(1);
  await first.find('app');
  expect(reads()).toBe(2);
});

test('S-047 a change that is done holds on every node, however lately another node has read the client', async () => {
  const { first, second, write } = twoNodes();
  write({ state: 'active' });
  await Promise.all([first.find('app'), second.find('app')]);
  write({ state: 'disabled', version: 2 });
  await first.settle('app');
  expect(await first.find('app')).toMatchObject({ state: 'disabled' });
  expect(await second.find('app')).toMatchObject({ state: 'disabled' });
});

test('S-047 what a node has asked for before its own change is not kept after it', async () => {
  const { first, write, holdAnswers, reads } = twoNodes();
  write({ state: 'active' });
  let answer = () => {};
  holdAnswers(
    new Promise((resolve) => {
      answer = resolve;
    }),
  );
  const asked = first.find('app');
  write({ state: 'disabled', version: 2 });
  await first.settle('app');
  holdAnswers(undefined);
  answer();
  expect(await asked).toMatchObject({ state: 'active' });
  expect(await first.find('app')).toMatchObject({ state: 'disabled' });
  expect(reads()).toBe(2);
});

/** Asked before, answered when told to. */
function slowly<Value>(ask: () => Value, holdAnswers: (until: Promise<void> | undefined) => void) {
  let answer = () => {};
  holdAnswers(
    new Promise((resolve) => {
      answer = resolve;
    }),
  );
  const asked = ask();
  holdAnswers(undefined);
  return { asked, answer: () => answer() };
}

test('a reading that was overtaken by a later one gives out the same object', async () => {
  const { first, write, later, holdAnswers } = twoNodes();
  write({ name: 'Notes' });
  const slow = slowly(() => first.find('app'), holdAnswers);
  later(MAX_AGE);
  const quick = await first.find('app');
  slow.answer();
  expect(await slow.asked).toBe(quick);
  expect(await first.find('app')).toBe(quick);
});

test('S-047 a reading that was overtaken by a later one is not kept instead of it, nor after a change', async () => {
  const { first, write, later, holdAnswers } = twoNodes();
  write({ state: 'active' });
  const slow = slowly(() => first.find('app'), holdAnswers);
  later(MAX_AGE);
  write({ state: 'disabled', version: 2 });
  expect(await first.find('app')).toMatchObject({ state: 'disabled' });
  const settled = first.settle('app');
  slow.answer();
  await Promise.all([settled, slow.asked]);
  expect(await first.find('app')).toMatchObject({ state: 'disabled' });
});

test('whoever changes a client waits as long as others may remember it', async () => {
  const { first, paused } = twoNodes();
  await first.settle('app');
  expect(paused).toEqual([MAX_AGE]);
});

test('the same object is given out until something changed: a new version, or a secret that came to its end', async () => {
  const { first, write, later } = twoNodes();
  const next = () => {
    later(MAX_AGE);
    return first.find('app');
  };
  const secret = Buffer.from('one');
  write({ secretDigests: [secret, Buffer.from('two')] });
  const party = await next();
  expect(await next()).toBe(party);
  write({ secretDigests: [secret] });
  const afterwards = await next();
  expect(afterwards).not.toBe(party);
  expect(afterwards).toMatchObject({ secretDigests: [secret] });
  write({ secretDigests: [secret], version: 2, name: 'Renamed' });
  expect(await next()).toMatchObject({ name: 'Renamed' });
});

test('a client that is not there is asked for every time, so that a new one works at once', async () => {
  const { first, write, remove } = twoNodes();
  expect(await first.find('app')).toBeUndefined();
  write({});
  expect(await first.find('app')).toMatchObject({ id: 'app' });
  remove();
});

test('memory is bounded: the one kept longest goes first', async () => {
  const asked: string[] = [];
  const cache = createClientCache(
    async (id) => {
      asked.push(id);
      return { id, version: 1, secretDigests: [] } as never;
    },
    { mostClients: 2, now: () => 0 },
  );
  for (const id of ['a', 'b', 'c', 'c', 'b', 'a']) await cache.find(id);
  expect(asked).toEqual(['a', 'b', 'c', 'a']);
});
