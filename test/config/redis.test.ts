import { expect, test } from '@jest/globals';
import { loadConfig } from '../../src/config/load.ts';
import { providers } from '../../src/upstreams/registry.ts';

const redisOf = (env: Record<string, string>) => loadConfig(providers, env).redis;

test('there is no Redis unless one is named', () => {
  expect(redisOf({})).toBeUndefined();
});

test('one URL names one server, with all that is said of it', () => {
  expect(redisOf({ REDIS_URL: 'redis://cache.example.com' })).toEqual({
    mode: 'single',
    prefix: 'daemun:',
    nodes: [{ host: 'cache.example.com', port: 6379 }],
    tls: false,
  });
  const { password, ...rest } = redisOf({ REDIS_URL: 'rediss://app:p%40ss@[2001:db8::1]:7000/3' })!;
  expect(rest).toEqual({
    mode: 'single',
    prefix: 'daemun:',
    nodes: [{ host: '2001:db8::1', port: 7000 }],
    tls: true,
    username: 'app',
    database: 3,
  });
  expect(password?.reveal()).toBe('p@ss');
});

test.each([
  'redis://:x@one:1,two:2,three:3',
  'redis://:x@one:1, two:2, three:3',
  'redis://:x@one:1,redis://two:2,redis://three:3',
])('several hosts are those of a Cluster: %s', (REDIS_URL) => {
  const { nodes, password } = redisOf({ REDIS_URL, DAEMUN_REDIS_MODE: 'cluster' })!;
  expect(nodes).toEqual([
    { host: 'one', port: 1 },
    { host: 'two', port: 2 },
    { host: 'three', port: 3 },
  ]);
  expect(password?.reveal()).toBe('x');
});

test('or Sentinels, which know the server by its name', () => {
  const env = {
    REDIS_URL: 'rediss://one:26379,two:26379/2',
    REDIS_PASSWORD: 'of the server',
    DAEMUN_REDIS_MODE: 'sentinel',
    DAEMUN_REDIS_SENTINEL_MASTER: 'main',
    DAEMUN_REDIS_SENTINEL_PASSWORD: 'of the sentinels',
    DAEMUN_REDIS_PREFIX: 'id:',
  };
  const { password, sentinel, ...rest } = redisOf(env)!;
  expect(rest).toMatchObject({ mode: 'sentinel', tls: true, database: 2, prefix: 'id:' });
  expect([password?.reveal(), sentinel?.master, sentinel?.password?.reveal()]).toEqual([
    'of the server',
    'main',
    'of the sentinels',
  ]);
});

test('no secret of it prints', () => {
  const config = redisOf({ REDIS_URL: 'redis://:hidden@one' });
  expect(JSON.stringify(config)).not.toContain('hidden');
});

test.each([
  [{ REDIS_URL: 'http://one' }, 'REDIS_URL must be a URL such as'],
  [{ REDIS_URL: 'redis://:hidden@one:99999999' }, 'REDIS_URL must be a URL such as'],
  [{ REDIS_URL: 'redis://:hidden%zz@one' }, 'REDIS_URL must be a URL such as'],
  [{ REDIS_URL: 'redis://:1,hidden@one', DAEMUN_REDIS_MODE: 'cluster' }, 'REDIS_URL must be a URL such as'],
  [{ REDIS_URL: 'redis://one,rediss://two', DAEMUN_REDIS_MODE: 'cluster' }, 'REDIS_URL must be a URL such as'],
  [{ REDIS_URL: 'redis://one/name' }, 'REDIS_URL must be a URL such as'],
  [{ REDIS_URL: 'redis://one,two' }, 'DAEMUN_REDIS_MODE must be sentinel or cluster'],
  [{ REDIS_URL: 'redis://one', DAEMUN_REDIS_MODE: 'sentinel' }, 'DAEMUN_REDIS_SENTINEL_MASTER is required'],
  [{ REDIS_URL: 'redis://one/1', DAEMUN_REDIS_MODE: 'cluster' }, 'REDIS_URL names a database'],
  [{ REDIS_URL: 'redis://:x@one', REDIS_PASSWORD: 'y' }, 'REDIS_PASSWORD is in REDIS_URL already'],
  [{ REDIS_URL: 'redis://one', DAEMUN_REDIS_SENTINEL_MASTER: 'main' }, 'needs DAEMUN_REDIS_MODE=sentinel'],
  [{ REDIS_PASSWORD: 'y' }, 'REDIS_PASSWORD needs REDIS_URL'],
  [{ DAEMUN_REDIS_MODE: 'cluster' }, 'DAEMUN_REDIS_MODE needs REDIS_URL'],
])('what does not fit together is refused, and no secret is repeated: %j', (env, message) => {
  expect(() => loadConfig(providers, env as never)).toThrow(message);
  expect(() => loadConfig(providers, env as never)).not.toThrow('hidden');
});

test('the first delay of an account is not longer than the longest', () => {
  expect(() => loadConfig(providers, { DAEMUN_PASSWORD_FIRST_DELAY: '20m' })).toThrow(
    'DAEMUN_PASSWORD_FIRST_DELAY is longer than DAEMUN_PASSWORD_LONGEST_DELAY',
  );
});
