import { type ChildProcess, spawn } from 'node:child_process';
import { chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
// @ts-expect-error A plain script without types.
import { unprivilegedUser } from '../../scripts/test-postgresql.mjs';
import { freePort, root } from '../platform/service-process.ts';
import { until } from './deployed-service.ts';

export interface Pgbouncer {
  /** The same role and database, through the pooler. */
  through(url: string): string;
  close(): Promise<void>;
}

/** PgBouncer as deploy/pgbouncer sets it up, in front of a server that trusts us. */
export async function startPgbouncer(program: string, server: string): Promise<Pgbouncer> {
  const { hostname, port: serverPort } = new URL(server);
  const folder = mkdtempSync(join(tmpdir(), 'daemun-pgbouncer-'));
  const user = unprivilegedUser();
  if (user) chownSync(folder, user.uid, user.gid);
  const port = await freePort();
  const settings = join(folder, 'pgbouncer.ini');
  const site = readFileSync(join(root, 'deploy/pgbouncer/pgbouncer.ini'), 'utf8')
    .replace(/^daemun = .*$/m, `* = host=${hostname} port=${serverPort || 5432}`)
    .replace(/^listen_addr = .*$/m, 'listen_addr = 127.0.0.1')
    .replace(/^listen_port = .*$/m, `listen_port = ${port}`)
    .replace(/^auth_type = .*$/m, 'auth_type = trust')
    .replace(/^auth_file = .*$/m, `auth_file = ${join(folder, 'users.txt')}`)
    // So few that they are really shared.
    .replace(/^default_pool_size = .*$/m, 'default_pool_size = 3');
  writeFileSync(settings, site);
  writeFileSync(join(folder, 'users.txt'), `"${new URL(server).username || 'postgres'}" ""\n`);
  const child: ChildProcess = spawn(program, ['-q', settings], { cwd: folder, ...user, stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  await until('pgbouncer listens', () => answers(Number(port)));
  return {
    through: (url) => Object.assign(new URL(url), { hostname: '127.0.0.1', port }).href,
    async close() {
      child.kill('SIGTERM');
      const impatience = setTimeout(() => child.kill('SIGKILL'), 5_000);
      await ended;
      clearTimeout(impatience);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
