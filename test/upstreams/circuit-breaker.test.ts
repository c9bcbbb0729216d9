import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { createBreaker } from '../../src/upstreams/circuit-breaker.ts';
import { outage, UpstreamFailure, untrusted } from '../../src/upstreams/failure.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

/** An upstream that does what the test says, and counts who reaches it. */
function upstreamWith(breaker: Awaited<ReturnType<typeof createBreaker>>) {
  const reached: string[] = [];
  const call = (name: string, behave: () => Promise<unknown> = async () => name) =>
    breaker
      .run(() => {
        reached.push(name);
        return behave();
      })
      .catch((error: UpstreamFailure) => `${error.reason}: ${error.problem}`);
  return { reached, call };
}

const fails = async () => {
  throw outage('unavailable', 'down');
};
const LEFT_ALONE = 'unavailable: left alone after repeated failures';

describe('S-108 the circuit breaker', () => {
  // The middle: pauses are as long as they were asked for.
  beforeEach(() => void jest.spyOn(Math, 'random').mockReturnValue(0.5));

  test('opens after so many outages in a row, lets one try after the pause, and closes when that works', async () => {
    const clock = jest.spyOn(Date, 'now').mockReturnValue(1_000_000);
    const { reached, call } = upstreamWith(await createBreaker({ failures: 3, pause: 30_000 }));
    for (const name of ['1', '2', '3']) expect(await call(name, fails)).toBe('unavailable: down');
    expect(await call('4')).toBe(LEFT_ALONE);
    clock.mockReturnValue(1_029_999);
    expect(await call('5')).toBe(LEFT_ALONE);
    clock.mockReturnValue(1_030_000);
    expect(await call('6')).toBe('6');
    expect(await call('7', fails)).toBe('unavailable: down');
    expect(await call('8')).toBe('8');
    expect(reached).toEqual(['1', '2', '3', '6', '7', '8']);
  });

  test('does not try again at the same moment as the other nodes, which saw the same outage', async () => {
    const clock = jest.spyOn(Date, 'now').mockReturnValue(1_000_000);
    const chance = jest.mocked(Math.random).mockReturnValue(0.9);
    const { reached, call } = upstreamWith(await createBreaker({ failures: 1, pause: 30_000 }));
    await call('1', fails);
    clock.mockReturnValue(1_035_999);
    expect(await call('2')).toBe(LEFT_ALONE);
    clock.mockReturnValue(1_036_000);
    chance.mockReturnValue(0.1);
    expect(await call('3', fails)).toBe('unavailable: down');
    clock.mockReturnValue(1_059_999);
    expect(await call('left alone')).toBe(LEFT_ALONE);
    clock.mockReturnValue(1_060_000);
    expect(await call('4', fails)).toBe('unavailable: down');
    expect(reached).toEqual(['1', '3', '4']);
  });

  test('opens again at once when the one who tries has no success', async () => {
    const clock = jest.spyOn(Date, 'now').mockReturnValue(1_000_000);
    const { reached, call } = upstreamWith(await createBreaker({ failures: 1, pause: 30_000 }));
    await call('1', fails);
    clock.mockReturnValue(1_030_000);
    expect(await call('2', fails)).toBe('unavailable: down');
    expect(await call('3')).toBe(LEFT_ALONE);
    expect(reached).toEqual(['1', '2']);
  });

  test('lets nobody wait for the one who tries', async () => {
    const { reached, call } = upstreamWith(await createBreaker({ failures: 1, pause: 0 }));
    await call('1', fails);
    let answer = (_value: unknown) => {};
    const trying = call(
      '2',
      () =>
        new Promise((resolve) => {
          answer = resolve;
        }),
    );
    expect(await Promise.all([call('3'), call('4')])).toEqual([LEFT_ALONE, LEFT_ALONE]);
    answer('works');
    expect(await trying).toBe('works');
    expect(await call('5')).toBe('5');
    expect(reached).toEqual(['1', '2', '5']);
  });

  test('a success in between starts the count anew', async () => {
    const { reached, call } = upstreamWith(await createBreaker({ failures: 2 }));
    for (const [name, behave] of [['1', fails], ['2'], ['3', fails], ['4'], ['5', fails]] as const)
      await call(name, behave);
    expect(await call('6')).toBe('6');
    expect(reached).toHaveLength(6);
  });

  test.each<[what: string, failure: UpstreamFailure]>([
    ['a refused code', new UpstreamFailure('refused', 'no')],
    ['an ID token that does not fit', untrusted('nonce')],
    ['an old sign-in', new UpstreamFailure('stale_sign_in', 'old')],
  ])('%s does not count, and does not hide the outages around it', async (_what, failure) => {
    const { reached, call } = upstreamWith(await createBreaker({ failures: 2 }));
    const refuses = async () => {
      throw failure;
    };
    for (let count = 0; count < 10; count++) await call('r', refuses);
    await call('1', fails);
    await call('r', refuses);
    await call('2', fails);
    expect(await call('3')).toBe(LEFT_ALONE);
    expect(reached).toHaveLength(13);
  });

  test('who waits longer than the deadline is told so, and it counts, even when nothing listens to the signal', async () => {
    const end = new AbortController();
    const { call } = upstreamWith(await createBreaker({ failures: 1, deadline: () => end.signal }));
    const waiting = call('1', () => new Promise(() => {}));
    end.abort();
    expect(await waiting).toBe('timeout: no answer within the deadline');
    expect(await call('2')).toBe(LEFT_ALONE);
  });

  test('a deadline that has passed already asks nobody', async () => {
    const { reached, call } = upstreamWith(await createBreaker({ deadline: () => AbortSignal.abort() }));
    expect(await call('1')).toMatch(/^timeout/);
    expect(reached).toEqual([]);
  });

  test('by itself a sign-in has five seconds for everything together', async () => {
    const timeout = jest.spyOn(AbortSignal, 'timeout');
    await (await createBreaker()).run(async () => 'done');
    expect(timeout.mock.calls).toEqual([[5_000]]);
  });

  test('one upstream’s breaker knows nothing of another’s', async () => {
    const [one, other] = [
      upstreamWith(await createBreaker({ failures: 1 })),
      upstreamWith(await createBreaker({ failures: 1 })),
    ];
    await one.call('1', fails);
    expect(await one.call('2')).toBe(LEFT_ALONE);
    expect(await other.call('3')).toBe('3');
  });
});
