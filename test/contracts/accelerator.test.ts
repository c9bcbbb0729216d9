import { randomBytes, randomUUID } from 'node:crypto';
import { describe } from '@jest/globals';
import { createInProcessAccelerator } from '../../src/platform/accelerator/accelerator.ts';
import { createRedisAccelerator } from '../../src/platform/accelerator/redis.ts';
import { leavesOutRedis, type RedisSetup, startCluster, startSentinels, startSingle, until } from '../support/redis.ts';
import { type AcceleratorPair, describeAccelerator } from './accelerator.ts';

describeAccelerator('in one process', async () => {
  const accelerator = createInProcessAccelerator();
  return { nodes: [accelerator, accelerator], isShared: false, close: accelerator.close };
});

async function overRedis(start: () => Promise<RedisSetup>): Promise<AcceleratorPair> {
  const setup = await start();
  const common = { redis: setup.settings, prefix: `${randomUUID()}:`, secret: randomBytes(32) };
  const logger = { info() {}, warn() {} };
  // What is late on a busy machine is not what this is about.
  const open = () => createRedisAccelerator({ ...common, logger, deadline: 5_000 });
  const nodes: AcceleratorPair['nodes'] = [open(), open()];
  // Listening may begin later than the first answer.
  const heard = nodes.map(() => false);
  nodes.forEach((node, index) => {
    node.topic('hello').subscribe((from) => {
      if (from !== String(index)) heard[index] = true;
    });
  });
  await until(async () => {
    await Promise.all(nodes.map((node, index) => node.topic('hello').publish(String(index))));
    return heard.every(Boolean);
  });
  return {
    nodes,
    isShared: true,
    async close() {
      for (const node of nodes) await node.close();
      await setup.close();
    },
  };
}

(leavesOutRedis ? describe.skip : describe)('over Redis', () => {
  describeAccelerator('with one server', () => overRedis(startSingle));
  describeAccelerator('behind Sentinels', () => overRedis(startSentinels));
  describeAccelerator('as a Cluster', () => overRedis(startCluster));
});
