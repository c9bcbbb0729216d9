import { oneOf, redisUrl, text } from './values.ts';
import { variable } from './variable.ts';

/** What lets many nodes count and remember together. */
export const redisVariables = {
  REDIS_URL: variable({
    type: 'URL',
    secret: true,
    meaning:
      'Redis 6.2 or newer, `redis://user:password@host:6379/0`, over TLS `rediss://…`; several hosts separated by commas for Sentinel and Cluster. Nodes then count limits together and tell each other what changed. It holds nothing that could be missed: without it, or while it is away, each node counts by itself.',
    schema: redisUrl,
  }),
  REDIS_PASSWORD: variable({
    type: 'text',
    secret: true,
    meaning: 'The password, where it is not in REDIS_URL.',
    schema: text(1024),
  }),
  DAEMUN_REDIS_MODE: variable({
    type: 'single, sentinel or cluster',
    default: 'single',
    meaning:
      'What the hosts of REDIS_URL are: one server; Sentinels that know where the server of DAEMUN_REDIS_SENTINEL_MASTER is; or some of a Cluster.',
    schema: oneOf('single', 'sentinel', 'cluster'),
  }),
  DAEMUN_REDIS_SENTINEL_MASTER: variable({
    type: 'text',
    meaning: 'The name by which the Sentinels know the server.',
    schema: text(255),
  }),
  DAEMUN_REDIS_SENTINEL_PASSWORD: variable({
    type: 'text',
    secret: true,
    meaning: 'The password of the Sentinels themselves, where they have one.',
    schema: text(1024),
  }),
  DAEMUN_REDIS_PREFIX: variable({
    type: 'text',
    default: 'daemun:',
    meaning: 'What every key and channel begins with. Services that share a Redis need different ones.',
    schema: text(64),
  }),
};
