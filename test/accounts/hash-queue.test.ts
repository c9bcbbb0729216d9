import { expect, test } from '@jest/globals';
import { createHashQueue, type HashQueue, hashesAtOnce } from '../../src/accounts/hash-queue.ts';

/** Work that ends when it is told to. */
function controlled() {
  const finishers: (() => void)[] = [];
  return { finishers, work: () => new Promise<void>((resolve) => finishers.push(resolve)) };
}

function place(queue: HashQueue, source?: string) {
  const reservation = queue.reserve(source);
  if (reservation.kind === 'busy') throw new Error('busy');
  return reservation.place;
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test('S-123 at most two hashes run at once, in the order of asking', async () => {
  const queue = createHashQueue({ expected: 100 });
  const { finishers, work } = controlled();
  const order: number[] = [];
  const all = [0, 1, 2, 3].map((number) =>
    place(queue)
      .run(work)
      .then(() => order.push(number)),
  );
  await settled();
  expect(finishers).toHaveLength(2);
  finishers[0]!();
  await settled();
  expect(finishers).toHaveLength(3);
  finishers[1]!();
  await settled();
  for (const finish of finishers) finish();
  await Promise.all(all);
  expect(order).toEqual([0, 1, 2, 3]);
  expect(queue.statistics()).toEqual({ taken: 0, running: 0 });
});

test.each([
  // processes, cores, each
  [1, 1, 1],
  [1, 2, 2],
  [1, 64, 2],
  [2, 2, 1],
  [2, 3, 1],
  [2, 4, 2],
  [8, 4, 1],
])('S-123 of %i processes on %i cores each computes at most %i at once', (processes, cores, each) => {
  expect(hashesAtOnce(processes, cores)).toBe(each);
});

test('S-123 more than two seconds of work is refused at once, with the time to wait', () => {
  // Two at a time, 500 ms each: two run, eight wait two seconds.
  const queue = createHashQueue({ expected: 500 });
  const places = Array.from({ length: 10 }, () => place(queue));
  expect(queue.reserve()).toEqual({ kind: 'busy', retryAfter: 3 });
  places[0]!.release();
  expect(queue.reserve().kind).toBe('reserved');
  expect(queue.reserve().kind).toBe('busy');
});

test('S-123 one source cannot fill the queue for others', () => {
  const queue = createHashQueue({ expected: 500 });
  for (let taken = 0; taken < 5; taken++) place(queue, '192.0.2.1');
  expect(queue.reserve('192.0.2.1').kind).toBe('busy');
  expect(queue.reserve('192.0.2.2').kind).toBe('reserved');
});

test('a place is given back once, whether it was used, failed or released twice', async () => {
  const queue = createHashQueue({ expected: 500 });
  const used = place(queue, 'a');
  await used.run(async () => {});
  used.release();
  const failed = place(queue, 'a');
  await expect(failed.run(() => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
  const released = place(queue, 'a');
  released.release();
  released.release();
  expect(queue.statistics()).toEqual({ taken: 0, running: 0 });
});

test('the queue learns how long a hash takes', async () => {
  const queue = createHashQueue({ expected: 1_000_000 });
  // Believed to take forever: only what runs and as many again fit.
  const held = Array.from({ length: 4 }, () => place(queue));
  expect(queue.reserve().kind).toBe('busy');
  for (const one of held) one.release();
  for (let done = 0; done < 80; done++) await place(queue).run(async () => {});
  const fitting = Array.from({ length: 100 }, () => queue.reserve().kind);
  expect(fitting).not.toContain('busy');
});
