import type { Pool } from 'pg';
import type { Prisma } from '../generated/prisma/client.ts';
import { preparedStatement } from '../platform/database/prepared-statement.ts';

export type Transaction = Prisma.TransactionClient;

/** A row of audit_events, with the names of its columns. */
export interface AuditRow {
  id: string;
  /** Milliseconds since it happened: the time itself is the database's. */
  age: number;
  type: string;
  user_id?: string;
  client_id?: string;
  session_id?: string;
  actor?: string;
  address?: string;
  request_id?: string;
  details: Record<string, unknown>;
}

const COLUMNS = 'type, user_id, client_id, session_id, actor, address, request_id, details';
const ROW = `id uuid, age int, type text, user_id text, client_id text, session_id text, actor text, address text,
    request_id text, details jsonb`;

/** One JSON parameter for any number of rows: as cheap as a dozen arrays, and one plan. */
const INSERT = `INSERT INTO audit_events (id, at, ${COLUMNS})
  SELECT id, now() - age * interval '1 millisecond', ${COLUMNS} FROM json_to_recordset($1::json) AS row (${ROW})`;

/**
 * Rows as a part of a statement that does the work of several callers: `rows` is its JSON parameter, where each row also has the
 * `place` of its caller and whether that one `spends` something; stored are those that fulfil the condition.
 */
export function insertPlaced(rows: string, condition: string): string {
  return `INSERT INTO audit_events (id, at, ${COLUMNS})
    SELECT id, now(), ${COLUMNS} FROM json_to_recordset(${rows}) AS row (place int, spends bool, ${ROW}) WHERE ${condition}`;
}

export async function insertWithin(tx: Transaction, row: AuditRow): Promise<void> {
  await tx.$executeRawUnsafe(INSERT, JSON.stringify([row]));
}

/** Answers whether the row is new: of several with one id the first is stored. */
export function createSingleInserter(pool: Pool): (row: AuditRow) => Promise<boolean> {
  const insert = preparedStatement(pool, 'audit.insert_once', `${INSERT} ON CONFLICT DO NOTHING RETURNING 1`);
  return async (row) => (await insert([JSON.stringify([row])])).length > 0;
}

export function createInserter(pool: Pool): (rows: AuditRow[]) => Promise<void> {
  const insert = preparedStatement(pool, 'audit.insert', INSERT);
  return async (rows) => {
    await insert([JSON.stringify(rows)]);
  };
}
