import { createHash } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What the sender of a command says: one line of JSON, answered by one line with a `CommandResult`. */
export interface CommandRequest {
  argv: string[];
  /** Contents of the files that the command names, by the name used. */
  files: Record<string, string>;
}

export const MAX_REQUEST_BYTES = 1024 * 1024;

/** Longest path that a Unix socket address holds on every platform we run on. */
const MAX_SOCKET_PATH = 100;

/** Beside the data it controls. The directory must exist. */
export function controlSocketPath(directory: string): string {
  const real = realpathSync(directory);
  const name = `daemun-control-${createHash('sha256').update(real).digest('hex').slice(0, 16)}`;
  if (process.platform === 'win32') return `\\\\.\\pipe\\${name}`;
  const inside = join(real, 'control.sock');
  return inside.length < MAX_SOCKET_PATH ? inside : join(tmpdir(), `${name}.sock`);
}

/** Reads what the other side sent; undefined when it is no such request. */
export function parseRequest(line: string): CommandRequest | undefined {
  try {
    const { argv, files = {} } = JSON.parse(line);
    const texts = [argv, Object.values(files)].every((list) => Array.isArray(list) && list.every(isText));
    return texts ? { argv, files } : undefined;
  } catch {
    return undefined;
  }
}

function isText(value: unknown): boolean {
  return typeof value === 'string';
}
