import type pg from 'pg';
import type { Tracing } from './tracing.ts';

type Callback = (error: Error | undefined, ...rest: unknown[]) => void;
type AnyFunction = (...order: unknown[]) => unknown;

/** `artifacts.find.3.1` is a statement's own name and what makes it unique. */
const NAME = /^[a-z-]+(?:\.[a-z-]+)*/;
const STATEMENT = /^\s*(\w+)(?:[^']*?\b(?:FROM|INTO|UPDATE|JOIN)\s+(?:"?\w+"?\.)?"?(\w+)"?)?/i;

/**
 * A span for each statement, named as it is in the code, or by its verb and its first table: never its text, and no values. What
 * many requests want at once travels as one statement (`statement-batch.ts`), which is a part of the one that came first.
 */
export function traceDatabase(tracing: Tracing, pool: pg.Pool): void {
  if (!tracing.isOn) return;
  const connect = pool.connect as AnyFunction;
  // Whoever waits for a connection is called by whoever gives one back, out of that one's request.
  pool.connect = ((callback?: Callback) =>
    callback ? connect.call(pool, tracing.bind(callback)) : connect.call(pool)) as never;
  const traced = new WeakSet<pg.PoolClient>();
  // Not `connect`: some were connected before.
  pool.on('acquire', (client) => {
    if (traced.has(client)) return;
    traced.add(client);
    traceClient(tracing, client);
  });
}

function traceClient(tracing: Tracing, client: pg.PoolClient): void {
  const query = client.query as AnyFunction;
  client.query = ((...order: unknown[]) => {
    const [statement] = order;
    const last = order.at(-1);
    const isSubmittable = typeof (statement as { submit?: unknown } | null)?.submit === 'function';
    if (isSubmittable) return query.apply(client, order);
    const name = nameOf(statement);
    const span = tracing.begin('client', name, { 'db.system.name': 'postgresql', 'db.operation.name': name });
    if (typeof last === 'function') {
      const callback = tracing.bind(last as Callback);
      const ended: Callback = (error, ...rest) => {
        span.end(error ? { error } : {});
        callback(error, ...rest);
      };
      return query.apply(client, [...order.slice(0, -1), ended]);
    }
    const result = query.apply(client, order);
    if (result instanceof Promise) {
      result.then(
        () => span.end(),
        (error: unknown) => span.end({ error }),
      );
    } else {
      span.end();
    }
    return result;
  }) as never;
}

export function nameOf(statement: unknown): string {
  const { name, text } = (typeof statement === 'string' ? { text: statement } : (statement ?? {})) as {
    name?: unknown;
    text?: unknown;
  };
  const [own] = (typeof name === 'string' && NAME.exec(name)) || [];
  if (own) return own;
  const [, verb = 'statement', table] = (typeof text === 'string' && STATEMENT.exec(text)) || [];
  return table ? `${verb.toUpperCase()} ${table}` : verb.toUpperCase();
}
