// PgBouncer as deploy/pgbouncer sets it up, for tests and faults: in front of a server that trusts us, and stopped by whoever started it.
import { spawn } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from './free-port.mjs';
import { unprivilegedUser } from './test-postgresql.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const PATIENCE = 30_000;

export function findPgbouncer() {
  return [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/local/sbin']
    .map((folder) => join(folder, 'pgbouncer'))
    .find((path) => existsSync(path));
}

/** `urls`: of databases on one server, with the roles that come through. `connections`: to the server, for each of them. */
export async function startPgbouncer(program, urls, connections = 3) {
  const servers = urls.map((url) => new URL(url));
  const [{ hostname, port: serverPort }] = servers;
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
    .replace(/^default_pool_size = .*$/m, `default_pool_size = ${connections}`);
  writeFileSync(settings, site);
  const users = new Map(servers.map(({ username, password }) => [username || 'postgres', password]));
  writeFileSync(join(folder, 'users.txt'), [...users].map((pair) => `"${pair.join('" "')}"\n`).join(''));
  let child;
  let ended;

  async function start() {
    child = spawn(program, ['-q', settings], { cwd: folder, ...user, stdio: 'ignore' });
    ended = new Promise((resolve) => child.once('close', resolve));
    const deadline = Date.now() + PATIENCE;
    while (!(await answers(port))) {
      if (Date.now() > deadline) throw new Error('PgBouncer does not listen');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  await start();
  const endWithUs = () => child.kill('SIGKILL');
  process.once('exit', endWithUs);
  return {
    /** The same role and database, through the pooler. */
    through: (url) => Object.assign(new URL(url), { hostname: '127.0.0.1', port: String(port) }).href,
    start,
    /** Whoever is connected is cut off. */
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
    async close() {
      process.off('exit', endWithUs);
      child.kill('SIGTERM');
      const impatience = setTimeout(() => child.kill('SIGKILL'), 5_000);
      await ended;
      clearTimeout(impatience);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function answers(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
