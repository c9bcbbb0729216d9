import { spawn, spawnSync } from 'node:child_process';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { findPostgresql, unprivilegedUser } from '../scripts/test-postgresql.mjs';

/**
 * A PostgreSQL cluster that can be stopped in all the ways it is stopped in life, and started again on the same files.
 * Undefined when the machine has no server.
 */
export async function startCluster(folder, port, settings = {}) {
  const binaries = findPostgresql();
  if (!binaries) return undefined;
  const directory = mkdtempSync(join(folder, 'postgresql-'));
  const user = unprivilegedUser();
  if (user) chownSync(directory, user.uid, user.gid);
  const data = join(directory, 'data');
  const options = { cwd: directory, ...user, env: { ...process.env, HOME: directory } };
  const made = spawnSync(
    join(binaries, 'initdb'),
    ['-D', data, '--username=postgres', '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync'],
    { ...options, encoding: 'utf8' },
  );
  if (made.status !== 0) throw new Error(`initdb: ${made.stderr}`);
  const url = `postgresql://postgres@127.0.0.1:${port}/postgres`;
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
    await untilReady(url);
  }

  async function stop(signal) {
    server.kill(signal);
    await ended;
  }

  await start();
  const endWithUs = () => server.kill('SIGKILL');
  process.once('exit', endWithUs);
  return {
    url,
    start,
    /** Whoever is connected is disconnected; all is written. */
    stopFast: () => stop('SIGINT'),
    /** As if it had crashed: recovered at the next start. */
    stopImmediately: () => stop('SIGQUIT'),
    async close() {
      process.off('exit', endWithUs);
      if (server.exitCode === null && server.signalCode === null) await stop('SIGINT');
      rmSync(directory, { recursive: true, force: true });
    },
  };
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

/** A new database on that server, and what removes it. */
export async function createDatabase(server, name) {
  await administer(server, `CREATE DATABASE ${name} TEMPLATE template0`);
  return {
    url: Object.assign(new URL(server), { pathname: `/${name}` }).href,
    drop: () => administer(server, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
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

async function administer(server, statement) {
  const { default: pg } = await import('pg');
  const client = new pg.Client(server);
  await client.connect();
  await client.query(statement).finally(() => client.end());
}
