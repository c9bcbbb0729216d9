// A PostgreSQL server for `npm run faults` and `npm run bench`: durable as in production, and the service has a role as it has there.
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { findPostgresql, unprivilegedUser } from './test-postgresql.mjs';

/**
 * A PostgreSQL cluster that can be stopped in all the ways it is stopped in life, and started again on the same files.
 * `url` is the service's: of a database that its role owns. `adminUrl` is the superuser's, of the same database.
 * Undefined when the machine has no server.
 */
export async function startCluster(folder, port, settings = {}) {
  const binaries = findPostgresql();
  if (!binaries) return undefined;
  const directory = mkdtempSync(join(folder, 'postgresql-'));
  const user = unprivilegedUser();
  if (user) {
    // The server runs as somebody else, who has to pass.
    chmodSync(folder, 0o711);
    chownSync(directory, user.uid, user.gid);
  }
  const data = join(directory, 'data');
  const options = { cwd: directory, ...user, env: { ...process.env, HOME: directory } };
  const made = spawnSync(
    join(binaries, 'initdb'),
    ['-D', data, '--username=postgres', '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync'],
    { ...options, encoding: 'utf8' },
  );
  if (made.status !== 0) throw new Error(`initdb: ${made.stderr}`);
  const maintenance = `postgresql://postgres@127.0.0.1:${port}/postgres`;
  const given = { listen_addresses: '127.0.0.1', port, unix_socket_directories: '', ...settings };
  let server;
  let ended;

  async function start() {
    server = spawn(
      join(binaries, 'postgres'),
      ['-D', data, ...Object.entries(given).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
      { ...options, stdio: 'ignore' },
    );
    ended = new Promise((resolve) => server.once('close', resolve));
    await untilReady(maintenance);
  }

  async function stop(signal) {
    server.kill(signal);
    await ended;
  }

  const endWithUs = () => server.kill('SIGKILL');
  process.once('exit', endWithUs);
  const cluster = {
    start,
    pid: () => server.pid,
    /** Whoever is connected is disconnected; all is written. */
    stopFast: () => stop('SIGINT'),
    /** As if it had crashed: recovered at the next start. */
    stopImmediately: () => stop('SIGQUIT'),
    async close() {
      process.off('exit', endWithUs);
      if (server && server.exitCode === null && server.signalCode === null) await stop('SIGINT');
      rmSync(directory, { recursive: true, force: true });
    },
  };
  try {
    await start();
    const { url, adminUrl } = await createDatabase(maintenance, 'daemun');
    return { ...cluster, url, adminUrl };
  } catch (error) {
    await cluster.close();
    throw error;
  }
}

export async function untilReady(url, patience = 60_000) {
  const { default: pg } = await import('pg');
  const deadline = Date.now() + patience;
  for (;;) {
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
    client.on('error', () => {});
    try {
      await client.connect();
      await client.query('SELECT 1');
      return await client.end();
    } catch (error) {
      client.end().catch(() => {});
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/**
 * A new database on that server, with a role of the same name that owns it and may nothing else: neither a superuser nor past
 * row-level security. `url` is that role's, `adminUrl` that of whoever `server` names, and `drop` removes both.
 */
export async function createDatabase(server, name) {
  const password = randomBytes(16).toString('hex');
  await administer(server, [
    `CREATE ROLE ${name} LOGIN PASSWORD '${password}' NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE`,
    `CREATE DATABASE ${name} OWNER ${name} TEMPLATE template0`,
  ]);
  const adminUrl = Object.assign(new URL(server), { pathname: `/${name}` });
  return {
    url: Object.assign(new URL(adminUrl), { username: name, password }).href,
    adminUrl: adminUrl.href,
    drop: () => administer(server, [`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`, `DROP ROLE IF EXISTS ${name}`]),
  };
}

/** @returns the rows */
export async function queryOnce(url, text) {
  const { default: pg } = await import('pg');
  const client = new pg.Client(url);
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

async function administer(server, statements) {
  for (const statement of statements) await queryOnce(server, statement);
}
