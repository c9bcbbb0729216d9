import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { Context } from 'koa';
import { createRateLimiter, type SharedCount } from '../../src/platform/rate-limiter.ts';
import { addressKey, clientKey, createRateLimits, limitByAddress } from '../../src/platform/rate-limits.ts';

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

test('so many tries are allowed, then the time to wait is told, then they are allowed again', async () => {
  const limiter = createRateLimiter({ points: 2, seconds: 60 });
  expect(await limiter.take('a')).toEqual({ allowed: true });
  jest.advanceTimersByTime(20_500);
  expect(await limiter.take('a')).toEqual({ allowed: true });
  expect(await limiter.take('a')).toEqual({ allowed: false, retryAfter: 40, isFirst: true });
  expect(await limiter.take('a')).toEqual({ allowed: false, retryAfter: 40, isFirst: false });
  expect(await limiter.take('b')).toEqual({ allowed: true });
  jest.advanceTimersByTime(39_500);
  expect(await limiter.take('a')).toEqual({ allowed: true });
});

test('a clock that is set back makes nobody wait longer', async () => {
  const limiter = createRateLimiter({ points: 1, seconds: 60 });
  await limiter.take('a');
  jest.setSystemTime(Date.now() - 300_000);
  expect(await limiter.take('a')).toMatchObject({ allowed: false, retryAfter: 60 });
  jest.advanceTimersByTime(60_000);
  expect(await limiter.take('a')).toEqual({ allowed: true });
});

test('a hundred tries at the same moment are a hundred', async () => {
  const limiter = createRateLimiter({ points: 10, seconds: 60 });
  const decisions = await Promise.all(Array.from({ length: 100 }, () => limiter.take('a')));
  expect(decisions.filter(({ allowed }) => allowed)).toHaveLength(10);
});

test('a try that is given back does not count, and giving back never makes more of them', async () => {
  const limiter = createRateLimiter({ points: 1, seconds: 60 });
  await limiter.giveBack('a');
  for (let round = 0; round < 5; round++) {
    expect(await limiter.take('a')).toEqual({ allowed: true });
    await limiter.giveBack('a');
  }
  await limiter.giveBack('a');
  await limiter.take('a');
  expect(await limiter.take('a')).toMatchObject({ allowed: false });
});

test('looking costs nothing and leaves nothing behind', async () => {
  const limiter = createRateLimiter({ points: 1, seconds: 60 });
  for (let round = 0; round < 100; round++) expect(await limiter.peek(`key-${round}`)).toEqual({ allowed: true });
  expect(jest.getTimerCount()).toBe(0);
  await limiter.take('a');
  expect(await limiter.peek('a')).toEqual({ allowed: false, retryAfter: 60, isFirst: true });
  jest.advanceTimersByTime(60_000);
  expect(await limiter.peek('a')).toEqual({ allowed: true });
});

test('there are never more keys than the limit, and the oldest goes first', async () => {
  const limiter = createRateLimiter({ points: 1, seconds: 60, mostKeys: 3 });
  for (const key of ['a', 'b', 'c', 'a', 'd']) await limiter.take(key);
  expect(jest.getTimerCount()).toBe(3);
  expect(await limiter.peek('a')).toEqual({ allowed: true });
  expect(await limiter.peek('b')).toMatchObject({ allowed: false });
  jest.advanceTimersByTime(60_000);
  for (const key of ['b', 'e']) await limiter.take(key);
  expect(await limiter.peek('b')).toMatchObject({ allowed: false });
  for (let round = 0; round < 100; round++) await limiter.take(`key-${round}`);
  expect(jest.getTimerCount()).toBe(3);
});

describe('with a count that all nodes share', () => {
  /** Answers what it is told to, and notes what it is asked. */
  function shared(answer: (by: number) => SharedCount | undefined) {
    const told: [string, number][] = [];
    return {
      told,
      share: async (key: string, by: number) => {
        told.push([key, by]);
        return answer(by);
      },
    };
  }
  const settle = () => jest.advanceTimersByTimeAsync(20);

  test('nobody waits for it: tries are gathered and told afterwards, in one message for each key', async () => {
    const { told, share } = shared(() => undefined);
    const limiter = createRateLimiter({ points: 10, seconds: 60, share });
    for (const key of ['a', 'b', 'a', 'a']) expect(await limiter.take(key)).toEqual({ allowed: true });
    await limiter.giveBack('b');
    expect(told).toEqual([]);
    await settle();
    expect(told).toEqual([['a', 3]]);
  });

  test('what others used up is refused from the answer on, for as long as it says', async () => {
    const { share } = shared(() => ({ count: 10, millisecondsLeft: 5_000 }));
    const limiter = createRateLimiter({ points: 10, seconds: 60, share });
    expect(await limiter.take('a')).toEqual({ allowed: true });
    await settle();
    expect(limiter.peek('a')).toEqual({ allowed: false, retryAfter: 5, isFirst: true });
    expect(limiter.peek('a')).toEqual({ allowed: false, retryAfter: 5, isFirst: false });
    expect(await limiter.take('a')).toEqual({ allowed: false, retryAfter: 5, isFirst: true });
    expect(await limiter.take('b')).toEqual({ allowed: true });
    jest.advanceTimersByTime(5_000);
    expect(await limiter.take('a')).toEqual({ allowed: true });
  });

  test('it can never lift what this node counted itself', async () => {
    const { share } = shared(() => ({ count: -1_000, millisecondsLeft: -1 }));
    const limiter = createRateLimiter({ points: 2, seconds: 60, share });
    for (let round = 0; round < 2; round++) {
      expect(await limiter.take('a')).toEqual({ allowed: true });
      await settle();
    }
    expect(await limiter.take('a')).toMatchObject({ allowed: false });
  });

  test('whatever somebody writes there refuses for one window at a time', async () => {
    const { share } = shared(() => ({ count: 1e15, millisecondsLeft: 1e15 }));
    const limiter = createRateLimiter({ points: 2, seconds: 60, share });
    await limiter.take('a');
    await settle();
    expect(await limiter.take('a')).toMatchObject({ allowed: false, retryAfter: 60 });
    jest.advanceTimersByTime(60_000);
    expect(await limiter.take('a')).toEqual({ allowed: true });
  });

  test('what is given back is no longer refused because of what others counted', async () => {
    let count = 1;
    const limiter = createRateLimiter({
      points: 2,
      seconds: 3_600,
      share: async (_key, by) => {
        count += by;
        return { count, millisecondsLeft: 3_600_000 };
      },
    });
    await limiter.take('a');
    await settle();
    expect(limiter.peek('a')).toMatchObject({ allowed: false });
    await limiter.giveBack('a');
    await settle();
    expect(await limiter.take('a')).toEqual({ allowed: true });
  });

  test('what is refused here is not told', async () => {
    const { told, share } = shared(() => undefined);
    const limiter = createRateLimiter({ points: 2, seconds: 60, share });
    for (let round = 0; round < 50; round++) await limiter.take('a');
    await settle();
    expect(told).toEqual([['a', 2]]);
  });
});

test('a long key is told apart from another, not kept', async () => {
  const limiter = createRateLimiter({ points: 1, seconds: 60 });
  await limiter.take('x'.repeat(50_000));
  expect(await limiter.peek('x'.repeat(50_000))).toMatchObject({ allowed: false });
  expect(await limiter.peek('x'.repeat(50_001))).toEqual({ allowed: true });
});

describe('S-132 an address counts', () => {
  test.each([
    ['as itself when it is IPv4', '192.0.2.1', '192.0.2.1', true],
    ['apart from its neighbour when it is IPv4', '192.0.2.1', '192.0.2.2', false],
    ['as one network of 64 bits when it is IPv6', '2001:db8:0:1:0:0:0:1', '2001:db8:0:1:ffff:ffff:ffff:ffff', true],
    ['apart from the next network when it is IPv6', '2001:db8:0:1:0:0:0:1', '2001:db8:0:2:0:0:0:1', false],
  ])('%s', (_case, one, other, isSame) => {
    expect(addressKey(one) === addressKey(other)).toBe(isSame);
  });
});

test('S-046 a stranger’s failures do not count against a client elsewhere', async () => {
  const { clientAuthentication } = createRateLimits({
    signInPerAddressPerMinute: 1,
    signInPagesPerAddressPerMinute: 1,
    tokenRequestsPerClientPerMinute: 1,
    apiRequestsPerCallerPerMinute: 5,
    apiFailuresPerAddressPerMinute: 5,
    mailsPerRecipientPerHour: 1,
    mailsPerAccountPerHour: 1,
    mailsPerSourcePerHour: 1,
    mailsPerHour: 1,
    tokenFailuresPerClientPerMinute: 2,
    tokenFailuresPerAddressPerMinute: 100,
    strangersPerAddressPerMinute: 100,
  });
  const stranger = clientKey('client', '198.51.100.9');
  for (let failure = 0; failure < 3; failure++) await clientAuthentication.take(stranger);
  expect(await clientAuthentication.take(stranger)).toMatchObject({ allowed: false });
  expect(await clientAuthentication.take(clientKey('client', '192.0.2.1'))).toEqual({ allowed: true });
  expect(await clientAuthentication.take(clientKey('other', '198.51.100.9'))).toEqual({ allowed: true });
});

test('a client cannot choose an id that counts as another one', () => {
  expect(clientKey('a","192.0.2.1', '192.0.2.2')).not.toBe(clientKey('a', '192.0.2.1'));
});

test('the middleware answers 429 with the time to wait, and does not let the request through', async () => {
  const middleware = limitByAddress(createRateLimiter({ points: 2, seconds: 60 }));
  const ctx = { state: { address: '192.0.2.1' } } as Context;
  const elsewhere = { state: { address: '192.0.2.2' } } as Context;
  let passed = 0;
  const next = async () => {
    passed += 1;
  };
  await middleware(ctx as never, next);
  await middleware(ctx as never, next);
  await expect(middleware(ctx as never, next)).rejects.toMatchObject({
    code: 'too_many_requests',
    status: 429,
    retryAfter: 60,
  });
  await middleware(elsewhere as never, next);
  expect(passed).toBe(3);
});
