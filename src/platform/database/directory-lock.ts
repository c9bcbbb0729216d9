import { createHash } from 'node:crypto';
import { mkdirSync, realpathSync, rmSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Longest path that a Unix socket address holds on every platform we run on. */
const MAX_SOCKET_PATH = 100;

export class DirectoryInUseError extends Error {
  constructor(directory: string, owner: string) {
    super(
      `The data directory ${directory} is in use by process ${owner}. Stop that process first, or set DATA_DIR to another folder.`,
    );
    this.name = 'DirectoryInUseError';
  }
}

/**
 * One process per data directory: two would silently lose each other's writes.
 * A listening socket rather than a pid file, because the kernel drops it even on kill -9.
 * @throws DirectoryInUseError
 */
export async function lockDirectory(directory: string): Promise<Server> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const path = socketPath(realpathSync(directory));
  for (let attempt = 0; ; attempt++) {
    const server = createServer((client) => client.end(String(process.pid)));
    const failure = await listen(server, path);
    if (!failure) return server.unref();
    if (failure.code !== 'EADDRINUSE' || attempt > 0) throw failure;
    const owner = await askOwner(path);
    if (owner !== undefined) throw new DirectoryInUseError(directory, owner);
    rmSync(path, { force: true });
  }
}

function socketPath(directory: string): string {
  const name = `daemun-${createHash('sha256').update(directory).digest('hex').slice(0, 16)}`;
  if (process.platform === 'win32') return `\\\\.\\pipe\\${name}`;
  const inside = join(directory, 'lock.sock');
  return inside.length < MAX_SOCKET_PATH ? inside : join(tmpdir(), `${name}.sock`);
}

function listen(server: Server, path: string): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    server.once('error', resolve);
    server.listen(path, () => resolve(undefined));
  });
}

/** The pid of whoever listens, or undefined when the socket was left behind by a dead process. */
function askOwner(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    let pid = '';
    connect(path)
      .on('data', (chunk) => {
        pid += chunk;
      })
      .on('end', () => resolve(pid))
      .on('error', () => resolve(undefined));
  });
}
