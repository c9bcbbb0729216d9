import { availableParallelism } from 'node:os';
import { SecretText } from '../platform/secret-text.ts';
import type { DatabaseConfig } from './config.ts';
import type { Given } from './schema.ts';
import type { Refuse } from './upstreams.ts';

type Pooler = NonNullable<Extract<DatabaseConfig, { kind: 'postgresql' }>['pooler']>;

export function checkProcesses(
  given: Pick<Given, 'WORKERS' | 'DATABASE_POOLER'>,
  isSet: (name: string) => boolean,
  refuse: Refuse,
): void {
  if (typeof given.WORKERS === 'number' && given.WORKERS > 1 && !isSet('DATABASE_URL')) {
    refuse('WORKERS', 'must be 1 with the embedded database, which serves one process: set DATABASE_URL for more');
  }
  if (given.DATABASE_POOLER === 'transaction' && !isSet('DATABASE_URL')) {
    refuse('DATABASE_POOLER', 'needs DATABASE_URL');
  }
  if (isSet('DATABASE_DIRECT_URL') && given.DATABASE_POOLER === 'none') {
    refuse('DATABASE_DIRECT_URL', 'needs DATABASE_POOLER=transaction: without a pooler DATABASE_URL is direct');
  }
}

export function workersConfig({ WORKERS, DATABASE_URL }: Pick<Given, 'WORKERS' | 'DATABASE_URL'>): number {
  if (WORKERS !== 'auto') return WORKERS;
  return DATABASE_URL ? availableParallelism() : 1;
}

/** Undefined when nothing sits in between. */
export function poolerConfig(given: Pick<Given, 'DATABASE_POOLER' | 'DATABASE_DIRECT_URL'>): Pooler | undefined {
  if (given.DATABASE_POOLER === 'none') return undefined;
  return given.DATABASE_DIRECT_URL ? { directUrl: new SecretText(given.DATABASE_DIRECT_URL) } : {};
}
