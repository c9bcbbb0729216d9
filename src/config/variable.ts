import type { z } from 'zod';

/** One environment variable. */
export interface Variable<T = unknown> {
  type: string;
  /** As it would be written. */
  default?: string;
  /** In words, when the default depends on something else. */
  defaultNote?: string;
  meaning: string;
  /** May also come from the file that `<name>_FILE` points at, and never prints. */
  secret?: true;
  schema: z.ZodType<T, string>;
}

type WithDefault<T> = Variable<T> & { default: string };

export function variable<T>(definition: WithDefault<T>): WithDefault<T>;
export function variable<T>(definition: Variable<T>): Variable<T>;
export function variable<T>(definition: Variable<T>): Variable<T> {
  return definition;
}
