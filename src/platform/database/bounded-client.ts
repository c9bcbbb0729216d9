import type { Socket } from 'node:net';
import pg from 'pg';

/** What of node-postgres is used here and is not in its types. */
interface Inside {
  connection: { stream: Socket };
  connectionParameters: { query_timeout?: number };
  getStartupConf(): Record<string, string>;
  query(...order: unknown[]): unknown;
  end(...order: unknown[]): unknown;
}

/** How long a server may take to answer a goodbye. */
const GOODBYE = 1_000;

/** Of a pool whose connections lead to a pooler that gives each transaction another server. */
export interface PooledConfig extends pg.ClientConfig {
  transactionPooled?: boolean;
}

const Client = pg.Client as unknown as new (config?: pg.ClientConfig) => Inside;

/**
 * A client for networks that swallow everything and say nothing: it waits for no answer longer than `query_timeout`, and the
 * connection goes with the query, since an answer that comes after all would be taken for that of the next one.
 * Its session is in UTC whatever the database or the role has for others, since Prisma reads times without their offset.
 * Behind a pooler a statement has no name, which the next server would not know.
 */
class Bounded extends Client {
  readonly #isPooled: boolean;

  constructor(config?: PooledConfig) {
    super(config);
    this.#isPooled = config?.transactionPooled === true;
  }

  override getStartupConf(): Record<string, string> {
    // A parameter of its own, which poolers know, and which leaves `options` to the address.
    return { ...super.getStartupConf(), TimeZone: 'UTC' };
  }

  // Pools give a callback instead, and end the connection after any error.
  override query(...order: unknown[]): unknown {
    const result = super.query(...(this.#isPooled ? withoutName(order) : order));
    if (result instanceof Promise) {
      result.catch((error: Error) => {
        if (error.message === 'Query read timeout') this.end();
      });
    }
    return result;
  }

  override end(...order: unknown[]): unknown {
    setTimeout(() => this.connection.stream.destroy(), GOODBYE).unref();
    return super.end(...order);
  }
}

function withoutName([statement, ...rest]: unknown[]): unknown[] {
  const { name, submit, ...said } = (statement ?? {}) as { name?: string; submit?: unknown };
  return typeof statement !== 'object' || name === undefined || submit ? [statement, ...rest] : [said, ...rest];
}

export const BoundedClient = Bounded as unknown as typeof pg.Client;

/** For work that takes as long as it takes. Returns what ends that. */
export function liftQueryTimeout(client: pg.ClientBase): () => void {
  const { connectionParameters } = client as unknown as Inside;
  const { query_timeout } = connectionParameters;
  connectionParameters.query_timeout = 0;
  return () => {
    connectionParameters.query_timeout = query_timeout;
  };
}
