import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createRedisAccelerator, type RedisAccelerator } from '../../src/platform/accelerator/redis.ts';
import { createPerson } from '../accounts/node.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { leavesOutRedis, type RedisSetup, startSingle } from '../support/redis.ts';
import { actingFor, BY, type KeyNode, makeKey, registerNotes, startKeyNode } from './key-nodes.ts';

let redis: RedisSetup;
let database: TestDatabase;
let accelerators: RedisAccelerator[];

/** Two processes that have Redis in common. `maxAge`: how long a key is remembered; nobody waits for that to pass. */
let open: (maxAge?: number) => [KeyNode, KeyNode];
const nodes: KeyNode[] = [];

(leavesOutRedis ? describe.skip : describe)('two nodes with Redis', () => {
  beforeAll(async () => {
    redis = await startSingle();
    database = await openTestDatabase();
    const secret = randomBytes(32);
    const logger = { info() {}, warn() {} } as never;
    open = (maxAge) => {
      accelerators = [1, 2].map(() =>
        createRedisAccelerator({ redis: redis.settings, prefix: 'keys:', secret, logger, deadline: 5_000 }),
      );
      const opened = accelerators.map((accelerator) =>
        startKeyNode(database, { accelerator, ...(maxAge !== undefined && { maxAge }) }),
      );
      nodes.push(...opened);
      return [opened[0]!, opened[1]!];
    };
    const plain = startKeyNode(database);
    await registerNotes(plain);
    await plain.close();
  });
  afterAll(async () => {
    for (const node of nodes) {
      await node.close();
      await node.accelerator.close();
    }
    await database?.close();
    await redis?.close();
  });

  async function until(condition: () => Promise<boolean>): Promise<boolean> {
    for (
      const deadline = Date.now() + 20_000;
      Date.now() < deadline;
      await new Promise((done) => setTimeout(done, 20))
    ) {
      if (await condition()) return true;
    }
    return false;
  }

  test('a revocation is heard on the other at once, long before what it remembers would have ended', async () => {
    const [one, other] = open(3_600_000);
    let isHeard = false;
    accelerators[1]!.topic('hello').subscribe(() => {
      isHeard = true;
    });
    const areTogether = async () => {
      await accelerators[0]!.topic('hello').publish('.');
      return isHeard;
    };
    expect(await until(areTogether)).toBe(true);
    const { id: alice } = await createPerson(one);
    const key = await makeKey(one, { kind: 'user', id: alice });
    expect((await other.apiKeyCheck.check(key.value, {})).kind).toBe('valid');
    await one.apiKeys.revoke(key.id, actingFor(alice), BY);
    const isRefused = async () => (await other.apiKeyCheck.check(key.value, {})).kind === 'refused';
    expect(await until(isRefused)).toBe(true);
  });

  test('keys are not in it: what is written there, flushed or set back decides nothing', async () => {
    const [one] = open();
    const { id: alice } = await createPerson(one);
    const key = await makeKey(one, { kind: 'user', id: alice });
    for (let use = 0; use < 3; use++) await one.apiKeyCheck.check(key.value, {});
    const stored = await redis.servers[0]!.ask('KEYS', '*');
    expect(stored).not.toContain('api-keys');
    await one.apiKeys.revoke(key.id, actingFor(alice), BY);
    await redis.servers[0]!.ask('FLUSHALL');
    expect(await one.apiKeyCheck.check(key.value, {})).toEqual({ kind: 'refused', cause: 'revoked' });
  });

  test.each(['hung', 'gone'])(
    'while it is %s keys are made, checked and revoked, and the other node learns of it',
    async (how) => {
      const [one, other] = open();
      const { id: alice } = await createPerson(one);
      const server = redis.servers[0]!;
      if (how === 'hung') server.signal('SIGSTOP');
      else await server.kill();
      try {
        const key = await makeKey(one, { kind: 'user', id: alice });
        expect((await other.apiKeyCheck.check(key.value, {})).kind).toBe('valid');
        await one.apiKeys.revoke(key.id, actingFor(alice), BY);
        expect((await one.apiKeyCheck.check(key.value, {})).kind).toBe('refused');
        expect(await until(async () => (await other.apiKeyCheck.check(key.value, {})).kind === 'refused')).toBe(true);
      } finally {
        if (how === 'hung') server.signal('SIGCONT');
        else await server.start();
      }
    },
  );
});
