import { SecretText } from '../platform/secret-text.ts';
import type { RedisConfig } from './config.ts';
import type { Given } from './schema.ts';
import type { Refuse } from './upstreams.ts';

const BELONG_TO_URL = [
  'REDIS_PASSWORD',
  'DAEMUN_REDIS_MODE',
  'DAEMUN_REDIS_SENTINEL_MASTER',
  'DAEMUN_REDIS_SENTINEL_PASSWORD',
  'DAEMUN_REDIS_PREFIX',
] as const;

/** What must stand together. */
export function checkRedis(given: Given, isSet: (name: string) => boolean, refuse: Refuse): void {
  for (const name of BELONG_TO_URL) if (isSet(name) && !isSet('REDIS_URL')) refuse(name, 'needs REDIS_URL');
  const { REDIS_URL: url, DAEMUN_REDIS_MODE: mode } = given;
  if (!url) return;
  if (url.password && isSet('REDIS_PASSWORD')) refuse('REDIS_PASSWORD', 'is in REDIS_URL already: keep one');
  if (mode === 'single' && url.nodes.length > 1) {
    refuse('DAEMUN_REDIS_MODE', 'must be sentinel or cluster when REDIS_URL has several hosts');
  }
  if (mode === 'cluster' && url.database) refuse('REDIS_URL', 'names a database, of which a Cluster has but one');
  if (mode === 'sentinel' && !isSet('DAEMUN_REDIS_SENTINEL_MASTER')) {
    refuse('DAEMUN_REDIS_SENTINEL_MASTER', 'is required when DAEMUN_REDIS_MODE is sentinel');
  }
  for (const name of ['DAEMUN_REDIS_SENTINEL_MASTER', 'DAEMUN_REDIS_SENTINEL_PASSWORD'] as const) {
    if (mode !== 'sentinel' && isSet(name)) refuse(name, 'needs DAEMUN_REDIS_MODE=sentinel');
  }
}

export function redisConfig(given: Given): RedisConfig | undefined {
  const { REDIS_URL: url, DAEMUN_REDIS_MODE: mode, DAEMUN_REDIS_PREFIX: prefix } = given;
  if (!url) return undefined;
  const { nodes, tls, username, database } = url;
  const password = url.password ?? given.REDIS_PASSWORD;
  const sentinelPassword = given.DAEMUN_REDIS_SENTINEL_PASSWORD;
  return {
    mode,
    prefix,
    nodes,
    tls,
    ...(username && { username }),
    ...(password && { password: new SecretText(password) }),
    ...(database && { database }),
    ...(mode === 'sentinel' && {
      sentinel: {
        master: given.DAEMUN_REDIS_SENTINEL_MASTER ?? '',
        ...(sentinelPassword && { password: new SecretText(sentinelPassword) }),
      },
    }),
  };
}
