import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OperatorError } from '../operator-error.ts';

/** Longest path that a Unix socket address holds on every platform we run on. */
const MAX_SOCKET_PATH = 100;

const OWNER_PATIENCE = 2_000;
const ATTEMPTS = 20;

export class DirectoryInUseError extends OperatorError {
  constructor(directory: string, owner: string) {
    super(
      `The data directory ${directory} is in use by process ${owner}. Stop that process first, or set DATA_DIR to another folder.`,
    );
    this.name = 'DirectoryInUseError';
  }
}

export interface DirectoryLock {
  release(): void;
}

/**
 * One process per data directory: two would silently lose each other's writes.
 * A listening socket rather than a pid file, because the kernel drops it even on kill -9. Everybody listens under a name of its own
 * first and looks around then, so of two that come at once at least one sees the other; a socket that nobody answers can be removed
 * without a race, because its name is never used again.
 * @throws DirectoryInUseError, OperatorError when the folder cannot be made or written
 */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  const place = socketPlace(createDirectory(directory));
  for (let attempt = 1; ; attempt++) {
    const candidate = await listen(directory, place);
    const other = await findOther(place, candidate.name);
    if (!other) return candidate.hold();
    candidate.release();
    if (other.holds || attempt === ATTEMPTS) throw new DirectoryInUseError(directory, other.pid);
    // Both tried at once and both gave way.
    await new Promise((resolve) => setTimeout(resolve, 20 + Math.random() * 200));
  }
}

interface SocketPlace {
  folder: string;
  prefix: string;
}

function socketPlace(directory: string): SocketPlace {
  const longestName = join(directory, 'lock-00000000.sock');
  if (process.platform !== 'win32' && longestName.length < MAX_SOCKET_PATH)
    return { folder: directory, prefix: 'lock-' };
  const hash = createHash('sha256').update(directory).digest('hex').slice(0, 16);
  return { folder: process.platform === 'win32' ? '\\\\.\\pipe\\' : tmpdir(), prefix: `daemun-${hash}-` };
}

function createDirectory(directory: string): string {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    return realpathSync(directory);
  } catch (error) {
    throw cannotUse(directory, error as NodeJS.ErrnoException);
  }
}

function cannotUse(directory: string, failure: NodeJS.ErrnoException): OperatorError {
  const reason = failure.code === 'EEXIST' || failure.code === 'ENOTDIR' ? 'it is not a folder' : failure.code;
  return new OperatorError(
    `The data directory ${directory} cannot be used (${reason}). Let this user write there, or set DATA_DIR to another folder.`,
    failure,
  );
}

interface Candidate {
  name: string;
  hold(): DirectoryLock;
  release(): void;
}

async function listen(directory: string, { folder, prefix }: SocketPlace): Promise<Candidate> {
  const name = `${prefix}${randomBytes(4).toString('hex')}.sock`;
  let state = 'tries';
  const server: Server = createServer((client) => {
    client.on('error', () => {});
    client.end(`${process.pid} ${state}`);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (failure) => reject(cannotUse(directory, failure)));
    server.listen(join(folder, name), resolve);
  });
  server.unref();
  const release = () => {
    server.close();
  };
  return {
    name,
    release,
    hold() {
      state = 'holds';
      return { release };
    },
  };
}

async function findOther(place: SocketPlace, own: string): Promise<{ pid: string; holds: boolean } | undefined> {
  for (const name of readdirSync(place.folder)) {
    if (!name.startsWith(place.prefix) || !name.endsWith('.sock') || name === own) continue;
    const path = join(place.folder, name);
    const answer = await ask(path);
    if (answer !== undefined) {
      const [pid = '', state] = answer.split(' ');
      return { pid, holds: state !== 'tries' };
    }
    rmSync(path, { force: true });
  }
  return undefined;
}

/** What the process behind the socket says, or undefined when it was left behind by a dead one. */
function ask(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect(path)
      .on('data', (chunk) => {
        answer += chunk;
      })
      .on('end', () => resolve(answer))
      .on('error', () => resolve(undefined))
      // Stopped or very busy, but there: the kernel accepted for it.
      .setTimeout(OWNER_PATIENCE, () => {
        resolve('(unknown) holds');
        socket.destroy();
      });
  });
}
