import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync } from 'node:fs';
import { connect } from 'node:net';
import { delimiter, join } from 'node:path';

export function findRedis() {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/bin'];
  return folders.map((folder) => join(folder, 'redis-server')).find((path) => existsSync(path));
}

/** A Redis of its own, without persistence, that can be flushed, stopped, hung and started again. */
export async function startRedis(binary, folder, port) {
  const directory = mkdtempSync(join(folder, 'redis-'));
  let server;
  let ended;

  async function start() {
    server = spawn(binary, ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', directory], {
      stdio: 'ignore',
    });
    ended = new Promise((resolve) => server.once('close', resolve));
    const deadline = Date.now() + 30_000;
    while (!(await command(port, 'PING').then(Boolean, () => false))) {
      if (Date.now() > deadline) throw new Error('Redis does not answer');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  await start();
  const endWithUs = () => server.kill('SIGKILL');
  process.once('exit', endWithUs);
  return {
    url: `redis://127.0.0.1:${port}`,
    start,
    /** One command in words; answers what comes first of its answer. */
    ask: (text) => command(port, text),
    flush: () => command(port, 'FLUSHALL'),
    hang: () => server.kill('SIGSTOP'),
    goOn: () => server.kill('SIGCONT'),
    async kill() {
      server.kill('SIGKILL');
      await ended;
    },
    async close() {
      process.off('exit', endWithUs);
      server.kill('SIGKILL');
      await ended;
    },
  };
}

/** One inline command; answers the first part that comes, which is all of what is short. */
function command(port, text) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(`${text}\r\n`));
    socket.setTimeout(2_000, () => socket.destroy(new Error('no answer')));
    socket.once('data', (chunk) => {
      resolve(String(chunk).trim());
      socket.destroy();
    });
    socket.once('error', reject);
  });
}
