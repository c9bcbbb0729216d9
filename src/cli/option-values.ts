import { InvalidArgumentError } from 'commander';
import { duration } from '../config/values.ts';
import type { CommandContext } from './command.ts';

/** What can be written. */
const LONGEST = '999999999d';

/** For options that may be repeated. */
export function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}

/** How long it may be is for whoever takes it to say. */
export function seconds(value: string): number {
  const parsed = duration('0s', LONGEST).safeParse(value);
  if (!parsed.success) throw new InvalidArgumentError('It must be a duration such as 90s, 15m, 24h or 30d.');
  return parsed.data;
}

export function pageSize(value: string): number {
  const size = Number(value);
  if (!Number.isInteger(size) || size < 1 || size > 1000) {
    throw new InvalidArgumentError('It must be a number from 1 to 1000.');
  }
  return size;
}

/** `name=What people read`, repeated. */
export function collectScope(
  value: string,
  before: { name: string; description: string }[] | undefined,
): { name: string; description: string }[] {
  const at = value.indexOf('=');
  if (at < 1 || !value.slice(at + 1).trim()) {
    throw new InvalidArgumentError('It must be name=description, such as "sessions:write=Change your sessions".');
  }
  return [...(before ?? []), { name: value.slice(0, at), description: value.slice(at + 1).trim() }];
}

export function jsonFile(context: CommandContext): (path: string) => Record<string, unknown> {
  return (path) => {
    let value: unknown;
    try {
      value = JSON.parse(context.readFile(path));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new InvalidArgumentError(code ? `${path} cannot be read (${code}).` : `${path} is not JSON.`);
    }
    if (value === null || typeof value !== 'object' || Array.isArray(value)) {
      throw new InvalidArgumentError(`${path} must hold a JSON object.`);
    }
    return value as Record<string, unknown>;
  };
}
