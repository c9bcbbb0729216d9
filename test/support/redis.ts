import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { RedisSettings } from '../../src/platform/accelerator/redis-connection.ts';
import { freePort } from './free-port.ts';

const PATIENCE = 30_000;

export const redisServer = (process.env.PATH ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'redis-server'))
  .find((path) => existsSync(path));

/** On a machine that was prepared for it nothing may be left out. */
export const leavesOutRedis = !redisServer && process.env.CI !== 'true';

export interface RedisServer {
  port: number;
  folder: string;
  process: ChildProcess;
  /** Sends a command as words; resolves to the raw answer. */
  ask(...words: string[]): Promise<string>;
  signal(name: NodeJS.Signals): void;
  /** Ends it at once, as a failure would. Its files stay. */
  kill(): Promise<void>;
  /** On the same port, with what its files hold. */
  start(): Promise<void>;
  close(): Promise<void>;
}

/** A server of its own with its own folder. Nothing is written unless asked for. */
export async function startRedis(settings: string[] = [], options: { sentinel?: string } = {}): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), 'daemun-redis-'));
  const port = await freePort();
  const file = join(folder, 'redis.conf');
  writeFileSync(file, `port ${port}\nbind 127.0.0.1\ndir ${folder}\n${options.sentinel ?? 'save ""\n'}`);
  const mode = options.sentinel === undefined ? [] : ['--sentinel'];
  let running: ChildProcess;

  async function start(): Promise<void> {
    running = spawn(redisServer!, [file, ...mode, ...settings], { stdio: 'ignore' });
    await until(async () => /^(?:\+PONG|-NOAUTH)/.test(await ask(port, ['PING'])));
  }
  async function kill(): Promise<void> {
    if (running.exitCode !== null || running.signalCode !== null) return;
    const ended = new Promise((resolve) => running.once('close', resolve));
    running.kill('SIGKILL');
    await ended;
  }

  await start();
  return {
    port,
    folder,
    get process() {
      return running;
    },
    ask: (...words) => ask(port, words),
    signal: (name) => void running.kill(name),
    kill,
    start,
    async close() {
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export interface RedisSetup {
  settings: RedisSettings;
  /** Those that hold data. */
  servers: RedisServer[];
  close(): Promise<void>;
}

export const at = (...servers: { port: number }[]) => servers.map(({ port }) => ({ host: '127.0.0.1', port }));

export async function startSingle(): Promise<RedisSetup> {
  const server = await startRedis();
  return {
    settings: { mode: 'single', nodes: at(server), tls: false },
    servers: [server],
    close: server.close,
  };
}

/** A server, its replica, and one Sentinel that is a quorum by itself. */
export async function startSentinels(): Promise<RedisSetup> {
  const primary = await startRedis();
  const replica = await startRedis(['--replicaof', '127.0.0.1', String(primary.port)]);
  const sentinel = await startRedis([], {
    sentinel: `sentinel monitor main 127.0.0.1 ${primary.port} 1
sentinel down-after-milliseconds main 500
sentinel failover-timeout main 3000
`,
  });
  await until(async () => (await replica.ask('INFO', 'replication')).includes('master_link_status:up'));
  await until(async () => (await sentinel.ask('SENTINEL', 'REPLICAS', 'main')).includes(String(replica.port)));
  const servers = [primary, replica];
  return {
    settings: { mode: 'sentinel', nodes: at(sentinel), tls: false, sentinel: { master: 'main' } },
    servers,
    async close() {
      for (const server of [sentinel, ...servers]) await server.close();
    },
  };
}

/** Three servers, each with a third of the keys. */
export async function startCluster(): Promise<RedisSetup> {
  const servers = await Promise.all(
    [1, 2, 3].map(async () => {
      // The port beside it is for the servers among themselves, and by itself may be one that there is not.
      const bus = await freePort();
      return startRedis(['--cluster-enabled', 'yes', '--cluster-port', String(bus), '--cluster-node-timeout', '2000']);
    }),
  );
  const [first, ...others] = servers as [RedisServer, ...RedisServer[]];
  const last = 16_383;
  for (const [index, server] of servers.entries()) {
    const [from, to] = [index, index + 1].map((part) => Math.ceil((part * (last + 1)) / 3));
    await server.ask('CLUSTER', 'ADDSLOTSRANGE', String(from), String(to! - 1));
    await server.ask('CLUSTER', 'SET-CONFIG-EPOCH', String(index + 1));
  }
  for (const server of others) {
    const bus = /@(\d+)/.exec(await server.ask('CLUSTER', 'NODES'))![1]!;
    await first.ask('CLUSTER', 'MEET', '127.0.0.1', String(server.port), bus);
  }
  for (const server of servers) {
    await until(async () => (await server.ask('CLUSTER', 'INFO')).includes('cluster_state:ok'));
  }
  return {
    settings: { mode: 'cluster', nodes: at(first), tls: false },
    servers,
    async close() {
      for (const server of servers) await server.close();
    },
  };
}

/** Waits for a condition for as long as a busy machine may need. */
export async function until(isSo: () => boolean | Promise<boolean>, patience = PATIENCE): Promise<void> {
  const deadline = Date.now() + patience;
  for (;;) {
    if (await Promise.resolve(isSo()).catch(() => false)) return;
    if (Date.now() > deadline) throw new Error('what was waited for did not happen');
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** Without a library: the answer as it comes, up to the first pause. */
function ask(port: number, words: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ port, host: '127.0.0.1' });
    let answer = '';
    const text = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('');
    socket.setTimeout(5_000, () => socket.destroy(new Error('no answer')));
    socket.once('error', reject);
    socket.on('data', (chunk) => {
      answer += chunk;
      if (!isWhole(answer)) return;
      socket.destroy();
      resolve(answer);
    });
    socket.write(`*${words.length}\r\n${text}`);
  });
}

/** Of the kinds of answer that are asked for here. */
function isWhole(answer: string): boolean {
  const [, length] = /^\$(\d+)\r\n/.exec(answer) ?? [];
  if (length !== undefined) return Buffer.byteLength(answer) >= Number(length) + `$${length}\r\n`.length + 2;
  return answer.endsWith('\r\n');
}
