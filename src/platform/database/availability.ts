import type pg from 'pg';
import type { Logger } from '../logger.ts';
import type { Database } from './database.ts';
import { openPostgresqlPool } from './postgresql.ts';

/** Milliseconds for an answer, a connection included. */
const PATIENCE = 1_500;
const PAUSE = 500;
/** In a row. One alone may be a process that was not given the processor. */
const FAILURES = 2;

export interface Availability {
  /** Whether the database answers now. Many who ask at once share one question; nobody waits longer than two seconds. */
  check(): Promise<boolean>;
  /** Known not to answer. It is asked again about twice a second until it does. */
  isAway(): boolean;
  close(): Promise<void>;
}

/**
 * Whether the database answers, told apart from a pool whose connections are all at work: asked by one that is idle, or by one more.
 */
export function watchAvailability(
  { kind, pool, pooler }: Pick<Database, 'kind' | 'pool' | 'pooler'>,
  logger: Pick<Logger, 'warn'>,
  patience = PATIENCE,
): Availability {
  let own: pg.Pool | undefined;
  let flight: Promise<boolean> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let failures = 0;
  let closed = false;

  function askedPool(): pg.Pool {
    const { connectionString, max = 10 } = pool.options;
    if (kind === 'embedded' || pool.idleCount > 0 || pool.totalCount < max) return pool;
    own ??= openPostgresqlPool({
      url: connectionString!,
      poolSize: 1,
      queryTimeout: patience,
      transactionPooled: pooler !== undefined,
    });
    return own;
  }

  async function ask(): Promise<boolean> {
    const query = { text: 'SELECT 1', ...(kind === 'postgresql' && { query_timeout: patience }) };
    const answer = askedPool()
      .query(query as pg.QueryConfig)
      .then(
        () => true,
        () => false,
      );
    return Promise.race([answer, lateAfter(patience)]);
  }

  function note(answers: boolean): boolean {
    const wasAway = failures >= FAILURES;
    failures = answers ? 0 : failures + 1;
    const isAway = failures >= FAILURES;
    if (isAway && !wasAway) logger.warn('the database does not answer');
    if (wasAway && !isAway) logger.warn('the database answers again');
    if (!answers && !closed && !timer) {
      timer = setTimeout(() => {
        timer = undefined;
        void check();
      }, PAUSE).unref();
    }
    return answers;
  }

  function check(): Promise<boolean> {
    flight ??= ask()
      .then(note)
      .finally(() => {
        flight = undefined;
      });
    return flight;
  }

  return {
    check,
    isAway: () => failures >= FAILURES,
    async close() {
      closed = true;
      clearTimeout(timer);
      await flight;
      await own?.end();
    },
  };
}

/** Nobody waits for this timer: whoever was answered in time forgets it. */
function lateAfter(patience: number): Promise<boolean> {
  return new Promise((resolve) => {
    setTimeout(resolve, patience, false).unref();
  });
}
