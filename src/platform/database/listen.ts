import pg from 'pg';
import { BoundedClient } from './bounded-client.ts';
import type { Database } from './database.ts';
import { KEEP_ALIVE } from './postgresql.ts';

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 30_000;

/** Milliseconds. A network that forgot the connection tells nobody: the listener has to ask. */
const HEARTBEAT = { every: 10_000, answered: 5_000 };

/**
 * Hears what is announced on a channel, on a connection of its own, which is made again whenever it is lost. Announcements can get
 * lost with it: whoever needs them all has to look from time to time. Silent on the embedded database, where all are in one process,
 * and behind a pooler that no address leads past.
 * Returns what ends it.
 */
export function listen(
  database: Pick<Database, 'kind' | 'pool' | 'pooler'>,
  channel: string,
  hear: () => void,
  heartbeat = HEARTBEAT,
): () => Promise<void> {
  const { kind, pool, pooler } = database;
  const connectionString = pooler ? pooler.directUrl : pool.options.connectionString;
  if (kind === 'embedded' || (pooler && !connectionString)) return async () => {};
  let client: pg.Client | undefined;
  let timer: NodeJS.Timeout | undefined;
  let pause = FIRST_PAUSE;
  let ended = false;

  async function connect(): Promise<void> {
    const next = new BoundedClient({
      connectionString,
      application_name: 'daemun (listens)',
      connectionTimeoutMillis: 5_000,
      query_timeout: heartbeat.answered,
      ...KEEP_ALIVE,
    });
    client = next;
    let pulse: NodeJS.Timeout | undefined;
    next.on('error', () => {});
    next.on('end', () => {
      clearInterval(pulse);
      again(next);
    });
    next.on('notification', hear);
    try {
      await next.connect();
      await next.query(`LISTEN ${pg.escapeIdentifier(channel)}`);
      pause = FIRST_PAUSE;
      // One that is not answered ends the connection.
      pulse = setInterval(() => void next.query('SELECT').catch(() => {}), heartbeat.every).unref();
      // What was announced while nobody heard.
      hear();
    } catch {
      await next.end().catch(() => {});
      again(next);
    }
  }

  function again(lost: pg.Client): void {
    if (ended || client !== lost) return;
    client = undefined;
    timer = setTimeout(connect, pause * (0.5 + Math.random())).unref();
    pause = Math.min(2 * pause, LONGEST_PAUSE);
  }

  void connect();
  return async () => {
    ended = true;
    clearTimeout(timer);
    await client?.end().catch(() => {});
  };
}
