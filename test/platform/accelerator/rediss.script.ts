// Two nodes on the Redis of REDIS_URL. Prints whether they count together, whether one is on its own, and why.
import { randomBytes } from 'node:crypto';
import { loadConfig } from '../../../src/config/load.ts';
import { createRedisAccelerator } from '../../../src/platform/accelerator/redis.ts';

const { prefix, ...redis } = loadConfig([], { REDIS_URL: process.env.REDIS_URL }).redis!;
const secret = randomBytes(32);
const reasons: unknown[] = [];
const logger = { info() {}, warn: (about: { code?: unknown }) => void reasons.push(about.code) } as never;
const [one, two] = [1, 2].map(() => createRedisAccelerator({ redis, prefix, secret, logger, deadline: 1_000 }));
const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

let areTogether = false;
for (const deadline = Date.now() + 30_000; !areTogether && reasons.length < 2 && Date.now() < deadline; ) {
  const options = { name: `together-${Date.now()}`, points: 3, seconds: 600 };
  const [counter, other] = [one!.counter(options), two!.counter(options)];
  for (let tries = 0; tries < 3; tries++) await counter.take('a');
  await pause(100);
  await other.take('a');
  await pause(100);
  areTogether = !other.peek('a').allowed;
}
// With or without Redis, what this node counted holds.
const own = one!.counter({ name: 'own', points: 1, seconds: 600 });
const decisions = [await own.take('a'), await own.take('a')].map(({ allowed }) => allowed);
process.stdout.write(JSON.stringify({ areTogether, isAlone: one!.isAlone, decisions, reasons }));
for (const accelerator of [one!, two!]) await accelerator.close();
