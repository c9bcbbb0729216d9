import type pg from 'pg';

export interface RecordedStatement {
  name: string | undefined;
  text: string;
  values: unknown[];
}

/** Everything that is sent through a pool from now on, by whichever door. */
export function recordStatements(pool: pg.Pool): RecordedStatement[] {
  const recorded: RecordedStatement[] = [];
  type Query = (...order: unknown[]) => unknown;

  function note([given, values]: unknown[]): void {
    const {
      name,
      text = String(given),
      values: own,
    } = (typeof given === 'string' ? {} : given) as Partial<pg.QueryConfig>;
    recorded.push({ name, text, values: own ?? (Array.isArray(values) ? values : []) });
  }

  function watch(target: { query: unknown }): void {
    const query = (target.query as Query).bind(target);
    target.query = (...order: unknown[]) => {
      // With a callback the pool asks one of its clients for what was noted when the pool was asked.
      if (!order.some((part) => typeof part === 'function')) note(order);
      return query(...order);
    };
  }

  watch(pool);
  const connect = pool.connect.bind(pool) as () => Promise<pg.PoolClient>;
  const watched = new WeakSet<object>();
  // The pool's own `query` connects with a callback, and was noted already.
  (pool as { connect: unknown }).connect = (callback?: unknown) => {
    if (callback) return (connect as unknown as Query)(callback);
    return connect().then((client) => {
      if (!watched.has(client)) {
        watched.add(client);
        watch(client as { query: unknown });
      }
      return client;
    });
  };
  return recorded;
}
