import { afterEach, expect, test } from '@jest/globals';
import { type Breaker, createBreaker } from '../../../src/platform/accelerator/breaker.ts';
import { until } from '../../support/redis.ts';

let breaker: Breaker;
afterEach(() => breaker.stop());

const never = () => new Promise<never>(() => {});

async function closed(deadline: number, probe: (key: string) => Promise<unknown> = async () => 'PONG') {
  const noted = { probed: [] as string[], failures: [] as string[], closed: 0 };
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
  await until(() => !breaker.isOpen);
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
