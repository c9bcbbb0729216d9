import { AsyncLocalStorage } from 'node:async_hooks';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { type Breaker, createBreaker } from '../../../src/platform/accelerator/breaker.ts';
import { until } from '../../support/redis.ts';

let breaker: Breaker;
afterEach(() => {
  breaker.stop();
  jest.useRealTimers();
});

const never = () => new Promise<never>(() => {});

type Probe = (key: string | undefined) => Promise<unknown>;

async function closed(
  deadline: number,
  probe: Probe = async () => 'PONG',
  patience = () => until(() => !breaker.isOpen),
) {
  const noted = { probed: [] as (string | undefined)[], failures: [] as string[], closed: 0 };
  breaker = createBreaker({
    deadline,
    probe(key) {
      noted.probed.push(key);
      return probe(key);
    },
    onFailure: (reason) => noted.failures.push(reason),
    onClosed: () => {
      noted.closed += 1;
    },
  });
  await patience();
  return noted;
}

test('it is open until something answered, and asks nothing for requests before', async () => {
  breaker = createBreaker({ deadline: 1_000, probe: async () => 'PONG' });
  let asked = 0;
  const ask = async () => ++asked;
  expect(await breaker.run('a', ask)).toBeUndefined();
  expect(asked).toBe(0);
  await until(() => !breaker.isOpen);
  expect(await breaker.run('a', ask)).toBe(1);
});

test('one answer that does not come opens it, long within 200 ms, and nobody else waits', async () => {
  const noted = await closed(25);
  const before = performance.now();
  expect(await breaker.run('a', never)).toBeUndefined();
  // Twenty-five by itself; the rest is for a machine that does much besides.
  expect(performance.now() - before).toBeLessThan(1_000);
  expect(breaker.isOpen).toBe(true);
  expect(noted.failures).toEqual(['late']);
  let asked = false;
  await breaker.run('b', async () => {
    asked = true;
  });
  expect(asked).toBe(false);
});

test('an answer that is here already counts, however late this process looks', async () => {
  await closed(20);
  const answer = breaker.run('a', () => new Promise((resolve) => setImmediate(() => setImmediate(resolve, 'here'))));
  const end = performance.now() + 200;
  while (performance.now() < end);
  expect(await answer).toBe('here');
  expect(breaker.isOpen).toBe(false);
});

test('an answer to what this process came to ask late counts too: it was this process that was away', async () => {
  await closed(20);
  const sentLate = () =>
    new Promise((resolve) =>
      setImmediate(() => {
        const end = performance.now() + 200;
        while (performance.now() < end);
        setTimeout(resolve, 3, 'here');
      }),
    );
  expect(await breaker.run('a', sentLate)).toBe('here');
  expect(breaker.isOpen).toBe(false);
});

test('what fails opens it, what is refused in words does not', async () => {
  const noted = await closed(5_000);
  for (const words of ['WRONGTYPE Operation against a key', 'OOM command not allowed', 'ERR unknown command']) {
    expect(await breaker.run('a', () => Promise.reject(new Error(words)))).toBeUndefined();
    expect(breaker.isOpen).toBe(false);
  }
  await breaker.run('a', () => Promise.reject(new Error('Socket closed unexpectedly')));
  expect(breaker.isOpen).toBe(true);
  expect(noted.failures).toEqual(['failed']);
});

test('it closes by a probe about what failed, and not before that answers', async () => {
  let isWell = true;
  const noted = await closed(50, (key) => (isWell || key !== 'a' ? Promise.resolve() : never()));
  isWell = false;
  await breaker.run('a', never);
  const before = noted.probed.length;
  await until(() => noted.probed.length >= before + 2);
  expect(breaker.isOpen).toBe(true);
  expect(new Set(noted.probed.slice(before))).toEqual(new Set(['a']));
  isWell = true;
  await until(() => !breaker.isOpen);
  expect(noted.closed).toBe(2);
});

test('a lost connection opens it without anybody waiting', async () => {
  await closed(5_000);
  breaker.trip();
  expect(breaker.isOpen).toBe(true);
});

test('no request is charged with the probes that it set off', async () => {
  const requests = new AsyncLocalStorage<string>();
  const chargedTo: (string | undefined)[] = [];
  await closed(5_000, async () => void chargedTo.push(requests.getStore()));
  await requests.run('a request', () =>
    breaker.run('a', () => Promise.reject(new Error('Socket closed unexpectedly'))),
  );
  const before = chargedTo.length;
  await until(() => !breaker.isOpen && chargedTo.length >= before + 3);
  expect(new Set(chargedTo)).toEqual(new Set([undefined]));
});

describe('by a clock of its own', () => {
  const pass = (milliseconds: number) => jest.advanceTimersByTimeAsync(milliseconds);
  const longest = 200;

  async function closedBefore(isWell: () => boolean) {
    jest.useFakeTimers();
    return closed(
      25,
      () => (isWell() ? Promise.resolve('PONG') : never()),
      () => pass(longest),
    );
  }

  test('it notices within 200 ms that nobody is there, though nobody asks anything', async () => {
    let isWell = true;
    const noted = await closedBefore(() => isWell);
    for (let round = 1; round <= 20; round++) {
      await pass(1_000 + 7 * round);
      expect(breaker.isOpen).toBe(false);
      isWell = false;
      await pass(longest);
      expect(breaker.isOpen).toBe(true);
      expect(noted.failures).toHaveLength(round);
      isWell = true;
      await pass(10_000);
      expect(breaker.isOpen).toBe(false);
    }
    expect(new Set(noted.failures)).toEqual(new Set(['late']));
    // It is about everybody, before and after.
    expect(new Set(noted.probed)).toEqual(new Set([undefined]));
  });

  test('its heartbeats are seldom, and there are none where questions are answered anyway', async () => {
    const noted = await closedBefore(() => true);
    noted.probed.splice(0);
    await pass(10_000);
    expect(noted.probed.length).toBeGreaterThanOrEqual(120);
    expect(noted.probed.length).toBeLessThanOrEqual(180);
    noted.probed.splice(0);
    for (let asked = 0; asked < 200; asked++) {
      expect(await breaker.run('a', async () => 'here')).toBe('here');
      await pass(50);
    }
    expect(noted.probed).toEqual([]);
  });

  test('a heartbeat that is refused in words is one, and none comes after the end', async () => {
    let refuses = false;
    jest.useFakeTimers();
    const noted = await closed(
      25,
      () => (refuses ? Promise.reject(new Error('NOPERM this user has no permissions')) : Promise.resolve('PONG')),
      () => pass(longest),
    );
    refuses = true;
    await pass(2_000);
    expect(breaker.isOpen).toBe(false);
    expect(noted.failures).toEqual([]);
    breaker.stop();
    noted.probed.splice(0);
    await pass(10_000);
    expect(noted.probed).toEqual([]);
    expect(jest.getTimerCount()).toBe(0);
  });
});
