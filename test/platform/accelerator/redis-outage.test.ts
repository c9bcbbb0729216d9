import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { Cache } from '../../../src/platform/accelerator/accelerator.ts';
import { createRedisAccelerator, type RedisAccelerator } from '../../../src/platform/accelerator/redis.ts';
import { type RedisSettings, reconnectPause } from '../../../src/platform/accelerator/redis-connection.ts';
import { SecretText } from '../../../src/platform/secret-text.ts';
import { at, leavesOutRedis, type RedisServer, startRedis, until } from '../../support/redis.ts';

const logged: string[] = [];
const told: { code?: string }[] = [];
const logger = {
  info: (text: unknown) => void logged.push(String(text)),
  warn(about: unknown, text?: string) {
    told.push(about as { code?: string });
    logged.push(String(text));
  },
};
const secret = randomBytes(32);
const opened: RedisAccelerator[] = [];

function open(redis: RedisSettings, deadline?: number): RedisAccelerator {
  const accelerator = createRedisAccelerator({
    redis,
    prefix: 'test:',
    secret,
    logger,
    ...(deadline !== undefined && { deadline }),
  });
  opened.push(accelerator);
  return accelerator;
}

let names = 0;

/** Of which every key is read for the first time. */
function newCache(accelerator: RedisAccelerator, name = `cache-${++names}`): Cache<string> {
  return accelerator.cache<string>({
    name,
    level: 'shared',
    maxAge: 60_000,
    mostEntries: 1_000,
    read: async (key) => `read ${key}`,
  });
}

const median = (numbers: number[]) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]!;

test('pauses before another attempt are drawn from a growing range, so that nodes do not come back all at once', () => {
  for (const [tries, longest] of [
    [0, 200],
    [3, 1_600],
    [10, 5_000],
    [1_000, 5_000],
  ] as const) {
    const drawn = Array.from({ length: 1_000 }, () => reconnectPause(tries)).sort((a, b) => a - b);
    expect(drawn[0]).toBeGreaterThanOrEqual(20);
    expect(drawn.at(-1)).toBeLessThanOrEqual(longest);
    // In every tenth of the range there is somebody, and nowhere a crowd.
    for (let tenth = 2; tenth < 10; tenth++) {
      const there = drawn.filter((pause) => pause >= (tenth * longest) / 10 && pause < ((tenth + 1) * longest) / 10);
      expect(there.length).toBeGreaterThan(40);
      expect(there.length).toBeLessThan(200);
    }
  }
});

(leavesOutRedis ? describe.skip : describe)('with a Redis that fails', () => {
  let server: RedisServer;
  let settings: RedisSettings;
  beforeAll(async () => {
    server = await startRedis();
    settings = { mode: 'single', nodes: at(server), tls: false };
  });
  afterEach(async () => {
    for (const accelerator of opened.splice(0)) await accelerator.close();
  });
  afterAll(() => server.close());

  test('one that hangs is known within 200 ms, asked no more, and used again when it answers', async () => {
    const accelerator = open(settings);
    const cache = newCache(accelerator);
    const waits: number[] = [];
    for (let round = 0; round < 5; round++) {
      await until(() => !accelerator.isAlone);
      server.signal('SIGSTOP');
      const before = performance.now();
      // The signal may take a moment longer than an answer.
      for (let key = 0; !accelerator.isAlone; key++) {
        expect(await cache.find(`${round} first ${key}`)).toBe(`read ${round} first ${key}`);
      }
      waits.push(performance.now() - before);
      const afterwards = performance.now();
      for (let key = 0; key < 100; key++) expect(await cache.find(`${round} ${key}`)).toBe(`read ${round} ${key}`);
      // A hundred that waited would take as many deadlines.
      expect(performance.now() - afterwards).toBeLessThan(1_000);
      server.signal('SIGCONT');
    }
    expect(median(waits)).toBeLessThan(200);
  });

  test('one that hangs is known within 200 ms to a node that has no question for it', async () => {
    const accelerator = open(settings);
    const waits: number[] = [];
    for (let round = 0; round < 5; round++) {
      await until(() => !accelerator.isAlone);
      await new Promise((resolve) => setTimeout(resolve, 150));
      server.signal('SIGSTOP');
      const before = performance.now();
      while (!accelerator.isAlone && performance.now() - before < 5_000) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      waits.push(performance.now() - before);
      server.signal('SIGCONT');
    }
    // By the clock of the machine, which may have had something else to do: of all, the one that was disturbed least.
    expect(Math.min(...waits)).toBeLessThan(200);
  });

  test('one that is not there is no reason to wait or to fail, and it is said once', async () => {
    logged.splice(0);
    const accelerator = open({ ...settings, nodes: [{ host: '127.0.0.1', port: 1 }] });
    const counter = accelerator.counter({ name: 'alone', points: 1, seconds: 60 });
    expect((await counter.take('a')).allowed).toBe(true);
    expect((await counter.take('a')).allowed).toBe(false);
    expect(await newCache(accelerator).find('a')).toBe('read a');
    await accelerator.topic('alone').publish('nobody hears');
    await until(() => logged.length > 0);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(logged).toEqual(['Redis cannot be reached: this node goes on without it']);
  });

  test('one who leaves while it is away leaves no timer that would keep a command from ending', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const gone = await startRedis();
    const nodes = at(gone);
    const before = timers();
    const leaving = [1, 2, 3].map(() => open({ ...settings, nodes }));
    await until(() => leaving.every(({ isAlone }) => !isAlone));
    await gone.close();
    await until(() => leaving.every(({ isAlone }) => isAlone));
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    for (const accelerator of leaving) await accelerator.close();
    expect(timers()).toBeLessThanOrEqual(before);
  });

  test('one who leaves before it was reached leaves nothing behind', async () => {
    const connected = async () => Number(/connected_clients:(\d+)/.exec(await server.ask('INFO', 'clients'))![1]);
    await until(async () => (await connected()) === 1);
    for (let round = 0; round < 5; round++) await open(settings).close();
    await new Promise((resolve) => setTimeout(resolve, 500));
    // Whoever asks.
    expect(await connected()).toBe(1);
  });

  test('one that dies and comes back empty is used again, and this node’s own counts stayed', async () => {
    const accelerator = open(settings, 5_000);
    await until(() => !accelerator.isAlone);
    const counter = accelerator.counter({ name: 'died', points: 2, seconds: 600 });
    for (let tries = 0; tries < 2; tries++) await counter.take('a');
    await server.kill();
    await until(() => accelerator.isAlone);
    expect((await counter.take('a')).allowed).toBe(false);
    await server.start();
    await until(() => !accelerator.isAlone);
    expect((await counter.take('a')).allowed).toBe(false);
  });

  test('a password is presented, and a wrong one is no reason to fail', async () => {
    const guarded = await startRedis(['--requirepass', 'right']);
    try {
      const nodes = at(guarded);
      const known = open({ mode: 'single', nodes, tls: false, password: new SecretText('right') });
      await until(() => !known.isAlone);
      told.splice(0);
      const wrong = open({ mode: 'single', nodes, tls: false, password: new SecretText('wrong') });
      const cache = newCache(wrong);
      // Whoever runs the service is told what Redis said, by the word that names it.
      await until(() => told.some(({ code }) => code === 'WRONGPASS'));
      const end = Date.now() + 1_000;
      for (let key = 0; Date.now() < end; key++) {
        expect(await cache.find(`${key}`)).toBe(`read ${key}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    } finally {
      for (const accelerator of opened.splice(0)) await accelerator.close();
      await guarded.close();
    }
  });

  test('nothing that is kept there stays for ever', async () => {
    const accelerator = open(settings, 5_000);
    await until(() => !accelerator.isAlone);
    await newCache(accelerator).find('a');
    const counter = accelerator.counter({ name: 'stays', points: 10, seconds: 600 });
    await counter.take('a');
    await until(async () => Number((await server.ask('DBSIZE')).slice(1)) >= 2);
    const lasting = `local n = 0
      for _, key in ipairs(redis.call('KEYS', '*')) do if redis.call('PTTL', key) < 0 then n = n + 1 end end return n`;
    expect(await server.ask('EVAL', lasting, '0')).toBe(':0\r\n');
  });

  test('whatever somebody writes over it, nothing is believed and nothing gets stuck', async () => {
    const one = open(settings, 5_000);
    const two = open(settings, 5_000);
    await until(() => !one.isAlone && !two.isAlone);
    const spoil = (command: string) =>
      server.ask('EVAL', `for _, key in ipairs(redis.call('KEYS', 'test:*')) do ${command} end return 1`, '0');
    const spoilers = [
      `redis.call('SET', key, 'garbage')`,
      `redis.call('DEL', key) redis.call('RPUSH', key, 'a list')`,
      `redis.call('SET', key, '-9223372036854775807')`,
      `redis.call('SET', key, '9223372036854775807')`,
    ];
    for (const [round, command] of spoilers.entries()) {
      const name = `spoiled-${round}`;
      await newCache(one, name).find('a');
      const options = { name, points: 3, seconds: 600 };
      const counter = one.counter(options);
      expect((await counter.take('a')).allowed).toBe(true);
      await until(async () => Number((await server.ask('DBSIZE')).slice(1)) >= 2);
      await spoil(command);
      expect(await newCache(two, name).find('a')).toBe('read a');
      const decisions = [];
      for (let tries = 0; tries < 10; tries++) {
        decisions.push((await counter.take('a')).allowed);
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
      expect(decisions.filter(Boolean).length).toBeLessThanOrEqual(2);
      await server.ask('FLUSHALL');
    }
    await until(() => !one.isAlone && !two.isAlone);
  });
});
