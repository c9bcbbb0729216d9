import type { Pool, QueryConfig } from 'pg';

/** A client that hangs must not keep its callers for ever; the server's own limit is shorter. */
const QUERY_TIMEOUT = 5_000;

/** Everything arrives as the text that PostgreSQL sent: a payload is parsed once, by us, and only when it is wanted. */
const asText = { getTypeParser: () => (value: string) => value };

/** The name is taken, or is not known: the session behind the connection is not the one that node-postgres thinks it is. */
const NAME_STATES = new Set(['42P05', '26000']);
const RENAMINGS = 3;

let generation = 0;

/**
 * A prepared statement. Its name changes each time that it ran four times as often as at the last change, so that a
 * connection does not keep for ever a plan that was made while the table was nearly empty. It changes with every store too,
 * and when the session has other statements than expected: the embedded database gives all connections one session, and
 * poolers exchange sessions behind a connection.
 */
export function prepared<Row extends unknown[]>(
  pool: Pool,
  name: string,
  text: string,
): (values: unknown[]) => Promise<Row[]> {
  const prefix = `${name}.${++generation}`;
  let executions = 0;
  let renameAt = 64;
  let age = 0;

  return async (values) => {
    if (++executions === renameAt) {
      age += 1;
      renameAt *= 4;
    }
    for (let attempt = 1; ; attempt++) {
      const usedAge = age;
      try {
        return await run(values);
      } catch (error) {
        // Neither was executed.
        if (attempt > RENAMINGS || !NAME_STATES.has((error as { code?: string }).code ?? '')) throw error;
        if (age === usedAge) age += 1;
      }
    }
  };

  async function run(values: unknown[]): Promise<Row[]> {
    const query: QueryConfig & { rowMode: 'array'; query_timeout: number } = {
      name: `${prefix}.${age}`,
      text,
      values,
      rowMode: 'array',
      types: asText as never,
      query_timeout: QUERY_TIMEOUT,
    };
    return (await pool.query<Row>(query as never)).rows;
  }
}
