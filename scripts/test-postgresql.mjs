// A PostgreSQL server for one test run: its own cluster in a temporary folder, on a free port, gone afterwards.
import { spawn, spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { freePort } from './free-port.mjs';

const OLDEST = 15;
const PATIENCE = 60_000;

/** The folder of the newest server that is new enough, or undefined. */
export function findPostgresql() {
  const debian = '/usr/lib/postgresql';
  const folders = [
    ...(process.env.PATH ?? '').split(delimiter),
    ...(existsSync(debian) ? readdirSync(debian).map((version) => join(debian, version, 'bin')) : []),
  ];
  return folders
    .filter((folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')))
    .map((folder) => ({ folder, version: versionOf(folder) }))
    .filter(({ version }) => version >= OLDEST)
    .sort((a, b) => b.version - a.version)[0]?.folder;
}

function versionOf(folder) {
  const { stdout = '' } = spawnSync(join(folder, 'postgres'), ['--version'], { encoding: 'utf8' });
  return Number(/(\d+)(?:\.\d+)*/.exec(stdout ?? '')?.[1] ?? 0);
}

export async function startPostgresql(binaries) {
  const folder = mkdtempSync(join(tmpdir(), 'daemun-postgresql-'));
  const user = unprivilegedUser();
  if (user) chownSync(folder, user.uid, user.gid);
  // The server refuses to run as root.
  const options = { cwd: folder, ...user, env: { ...process.env, HOME: folder } };
  const data = join(folder, 'data');
  const initdb = spawnSync(
    join(binaries, 'initdb'),
    ['-D', data, '--username=postgres', '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync'],
    { ...options, encoding: 'utf8' },
  );
  if (initdb.status !== 0) {
    rmSync(folder, { recursive: true, force: true });
    throw new Error(`${initdb.stderr ?? ''}${initdb.error?.message ?? ''}`.trim());
  }
  const port = await freePort();
  const settings = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: '',
    max_connections: 300,
    // Nothing here outlives the run.
    fsync: 'off',
    full_page_writes: 'off',
    logging_collector: 'off',
    log_min_messages: 'fatal',
  };
  const server = spawn(
    join(binaries, 'postgres'),
    ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    { ...options, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let log = '';
  server.stderr.on('data', (chunk) => {
    log = (log + chunk).slice(-4000);
  });
  const ended = new Promise((resolve) => server.once('close', resolve));
  const endWithUs = () => server.kill('SIGKILL');
  process.once('exit', endWithUs);
  const stop = async () => {
    process.off('exit', endWithUs);
    // Fast shutdown: whoever is still connected is disconnected.
    server.kill('SIGINT');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  const url = `postgresql://postgres@127.0.0.1:${port}/postgres`;
  try {
    const version = await Promise.race([waitUntilReady(url), ended.then(() => Promise.reject(new Error(log.trim())))]);
    return { url, version, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function waitUntilReady(url) {
  const { default: pg } = await import('pg');
  const deadline = Date.now() + PATIENCE;
  for (;;) {
    const client = new pg.Client({ connectionString: url });
    try {
      await client.connect();
      const { rows } = await client.query('SHOW server_version');
      await client.end();
      return rows[0].server_version;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

/** Somebody other than root to run the server as, or undefined when we are not root. */
export function unprivilegedUser() {
  if (process.getuid?.() !== 0) return undefined;
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .map(([name, , uid, gid]) => ({ name, uid: Number(uid), gid: Number(gid) }));
  const user = ['postgres', 'nobody'].map((name) => users.find((each) => each.name === name)).find(Boolean);
  if (!user) throw new Error('running as root, and there is neither a user postgres nor nobody');
  return { uid: user.uid, gid: user.gid };
}
