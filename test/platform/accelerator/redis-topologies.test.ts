import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, test } from '@jest/globals';
import { createRedisAccelerator, type RedisAccelerator } from '../../../src/platform/accelerator/redis.ts';
import { leavesOutRedis, type RedisSetup, startCluster, startSentinels, until } from '../../support/redis.ts';

const secret = randomBytes(32);
const logger = { info() {}, warn() {} };
const opened: RedisAccelerator[] = [];
let names = 0;

/** One that has no question for anybody. */
function openIdle({ settings: redis }: RedisSetup): RedisAccelerator {
  const idle = createRedisAccelerator({ redis, prefix: 'test:', secret, logger, deadline: 100 });
  opened.push(idle);
  return idle;
}

function openTwo({ settings: redis }: RedisSetup): [RedisAccelerator, RedisAccelerator] {
  const options = { redis, prefix: 'test:', secret, logger, deadline: 1_000 };
  opened.push(createRedisAccelerator(options), createRedisAccelerator(options));
  return [opened[0]!, opened[1]!];
}

(leavesOutRedis ? describe.skip : describe)('with several', () => {
  let setup: RedisSetup;
  afterEach(async () => {
    for (const accelerator of opened.splice(0)) await accelerator.close();
    await setup.close();
  });

  /** Two nodes hear of each other's counts. */
  async function areTogether(one: RedisAccelerator, two: RedisAccelerator): Promise<void> {
    await until(async () => {
      const options = { name: `together-${++names}`, points: 3, seconds: 600 };
      const [counter, other] = [one.counter(options), two.counter(options)];
      for (let tries = 0; tries < 3; tries++) await counter.take('a');
      await new Promise((resolve) => setTimeout(resolve, 100));
      await other.take('a');
      await new Promise((resolve) => setTimeout(resolve, 100));
      return !other.peek('a').allowed;
    });
  }

  test('Sentinels make the replica the server when that dies, and nodes follow; an idle one notices that it hangs', async () => {
    setup = await startSentinels();
    const nodes = openTwo(setup);
    const idle = openIdle(setup);
    await areTogether(...nodes);
    await setup.servers[0]!.kill();
    await areTogether(...nodes);
    await until(() => !idle.isAlone);
    setup.servers[1]!.signal('SIGSTOP');
    await until(() => idle.isAlone);
    setup.servers[1]!.signal('SIGCONT');
    await until(() => !idle.isAlone);
  });

  test('a Cluster that lost a third of its keys does not stop anybody, and is used again when it is whole', async () => {
    setup = await startCluster();
    const nodes = openTwo(setup);
    await areTogether(...nodes);
    await setup.servers[2]!.kill();
    const cache = nodes[0].cache<string>({
      name: 'cluster',
      level: 'shared',
      maxAge: 60_000,
      mostEntries: 1_000,
      read: async (key) => `read ${key}`,
    });
    for (let key = 0; key < 50; key++) expect(await cache.find(`${key}`)).toBe(`read ${key}`);
    await setup.servers[2]!.start();
    await areTogether(...nodes);
  });

  test('an idle node notices whichever server of a Cluster hangs', async () => {
    setup = await startCluster();
    const idle = openIdle(setup);
    for (const server of setup.servers) {
      await until(() => !idle.isAlone);
      server.signal('SIGSTOP');
      await until(() => idle.isAlone);
      server.signal('SIGCONT');
    }
    await until(() => !idle.isAlone);
  });
});
