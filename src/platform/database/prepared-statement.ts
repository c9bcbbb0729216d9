import type { Pool, QueryResultRow } from 'pg';

let made = 0;

/**
 * A statement that each connection parses and plans once. Its name is new each time, because the embedded database gives
 * several pools one session, where a name may be prepared only once.
 */
export function preparedStatement<Row extends QueryResultRow>(
  pool: Pool,
  name: string,
  text: string,
): (values: unknown[]) => Promise<Row[]> {
  made += 1;
  const unique = `${name}.${made}`;
  return async (values) => (await pool.query<Row>({ name: unique, text, values })).rows;
}
