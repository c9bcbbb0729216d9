import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import type { CommandResult } from './command.ts';
import { type CommandRequest, controlSocketPath, MAX_REQUEST_BYTES, parseRequest } from './control-protocol.ts';

/** Time to send a request; running it may take longer. */
const RECEIVE_TIMEOUT = 5_000;
const SEND_TIMEOUT = 5_000;

export interface ControlSocket {
  /** Takes no further command and waits for those that run. */
  close(): Promise<void>;
}

export interface ControlSocketOptions {
  /** The data directory. This process holds its lock, so a socket that is there was left by a dead one. */
  directory: string;
  execute(request: CommandRequest): Promise<CommandResult>;
}

/**
 * Takes commands for the embedded database, which no other process can open meanwhile.
 * Whoever may connect may do everything: only the owner of the process can (mode 0600).
 */
export async function openControlSocket({ directory, execute }: ControlSocketOptions): Promise<ControlSocket> {
  const path = controlSocketPath(directory);
  const idle = new Set<Socket>();
  const server = createServer((socket) => {
    idle.add(socket);
    socket.setTimeout(RECEIVE_TIMEOUT, () => socket.destroy());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => idle.delete(socket));
    receiveLine(socket, (line) => {
      idle.delete(socket);
      socket.setTimeout(0);
      answer(socket, line, execute).catch(() => socket.destroy());
    });
  });
  if (process.platform !== 'win32') rmSync(path, { force: true });
  await listenPrivately(server, path);
  server.unref();
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of idle) socket.destroy();
      }),
  };
}

const MALFORMED: CommandResult = { exitCode: 2, stdout: '', stderr: 'The request was not understood.\n' };

async function answer(socket: Socket, line: string, execute: ControlSocketOptions['execute']): Promise<void> {
  const request = parseRequest(line);
  const result = request ? await execute(request) : MALFORMED;
  // A sender that never reads its answer must not keep the service from ending.
  socket.setTimeout(SEND_TIMEOUT, () => socket.destroy());
  socket.end(`${JSON.stringify(result)}\n`);
}

function receiveLine(socket: Socket, receive: (line: string) => void): void {
  const chunks: Buffer[] = [];
  let size = 0;
  socket.on('data', function take(chunk: Buffer) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > MAX_REQUEST_BYTES) socket.destroy();
    else if (chunk.includes(0x0a)) {
      socket.off('data', take);
      receive(Buffer.concat(chunks).toString('utf8').split('\n', 1)[0]!);
    }
  });
}

/** The socket is made with its final mode, so there is no moment when others could connect. */
function listenPrivately(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    const before = process.umask(0o177);
    try {
      server.listen(path, () => {
        if (process.platform !== 'win32') chmodSync(path, 0o600);
        resolve();
      });
    } finally {
      process.umask(before);
    }
  });
}
