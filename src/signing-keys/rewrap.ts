import type { Pool } from 'pg';
import { insertPlaced } from '../audit/audit.store.ts';
import type { Audit, AuditContext } from '../audit/audit.ts';
import { retryConflicts } from '../platform/database/statement-batch.ts';
import { untilLocked } from '../platform/database/until-locked.ts';
import type { KeyEncryption, Sealed } from './envelope.ts';
import { listNodes } from './key-nodes.ts';
import { OWN_TABLES, type SealedTable } from './sealed-table.ts';

const BATCH = 500;
/** Milliseconds: a key that is just changing is locked for a moment. */
const LOCK_PATIENCE = 10_000;

export interface RewrapOptions {
  database: { pool: Pick<Pool, 'query'> };
  keyEncryption: KeyEncryption;
  audit: Pick<Audit, 'prepare'>;
  /** What else is sealed with the same key, beside signing keys and server secrets. */
  tables?: readonly SealedTable[];
  batch?: number;
}

/** A row by its primary key, as it was read, and what its data key is to be. */
interface Change {
  id: string[];
  before: Sealed;
  wrappedDataKey: Buffer;
}

/** One that serves, and the key-encryption keys that it has: it seals with the first. */
export interface NodeKeys {
  id: string;
  kekIds: string[];
}

export type RewrapOutcome =
  /** By table, how many rows were sealed under another key. */
  | { kind: 'done'; kekId: string; rows: Record<string, number>; damaged: string[]; sealElsewhere: NodeKeys[] }
  /** These serve and could open nothing any more. Nothing further was changed. */
  | { kind: 'refused'; kekId: string; nodes: NodeKeys[] };

/**
 * Wraps the data key of every sealed row anew under the first key-encryption key, while everybody goes on. Each row changes only
 * if it is still as it was read, so this may be repeated, run in several places at once and be killed at any moment: what is
 * left is under a key that all nodes still have. Each portion is one statement with its record: what is changed is recorded, also
 * when the rest is not. The secrets themselves are neither changed nor written.
 */
export function createRewrap({ database, keyEncryption, audit, tables = [], batch = BATCH }: RewrapOptions) {
  const { kekId } = keyEncryption;
  const { pool } = database;

  async function rewrapTable(
    sealedTable: SealedTable,
    by: AuditContext,
    damaged: string[],
  ): Promise<number | 'refused'> {
    const { table, key, uses = [], ciphertext } = sealedTable;
    const place = key.join(', ');
    const read = `
      SELECT ${[...key, ...uses].join(', ')}, ${ciphertext} AS ciphertext, wrapped_data_key AS "wrappedDataKey", kek_id AS "kekId"
      FROM ${table} WHERE kek_id <> $1 AND ${ciphertext} IS NOT NULL AND ($2::text[] IS NULL
        OR (${place}) > (${key.map((_, index) => `($2::text[])[${index + 1}]`).join(', ')}))
      ORDER BY ${place} LIMIT ${batch}`;
    let after: string[] | null = null;
    for (let count = 0; ; ) {
      // Before each batch: a node may have started meanwhile.
      if ((await nodesWithout()).length > 0) return 'refused';
      const { rows }: { rows: (Sealed & Record<string, string>)[] } = await pool.query(read, [kekId, after]);
      const changes = rows.flatMap((row) => {
        const id = key.map((column) => row[column]!);
        const rewrapped = tryToRewrap(row, sealedTable.identityOf([...id, ...uses.map((column) => row[column]!)]));
        if (!rewrapped) damaged.push(`${table} ${id.join(' ')}`);
        return rewrapped ? [{ id, before: row, wrappedDataKey: rewrapped.wrappedDataKey }] : [];
      });
      count += await change(sealedTable, changes, by);
      if (rows.length < batch) return count;
      after = key.map((column) => rows.at(-1)![column]!);
    }
  }

  /** With its record, which says how many there were. */
  async function change({ table, key }: SealedTable, changes: Change[], by: AuditContext): Promise<number> {
    if (changes.length === 0) return 0;
    const event = audit.prepare.keysRewrapped({ kekId, rows: {} }, by);
    const record = `SELECT json_build_array($5::jsonb || jsonb_build_object('details',
        jsonb_build_object('kekId', $4::text, 'rows', jsonb_build_object('${table}', count(*)))))
      FROM changed HAVING count(*) > 0`;
    const columns = key.map((_, index) => `key_${index}`);
    const statement = `
      WITH changed AS (
        UPDATE ${table} SET wrapped_data_key = new_data_key, kek_id = $4
        FROM unnest($1::bytea[], $2::bytea[], $3::text[], ${key.map((_, index) => `$${index + 6}::text[]`).join(', ')})
          AS change (new_data_key, old_data_key, old_kek_id, ${columns.join(', ')})
        WHERE wrapped_data_key = old_data_key AND kek_id = old_kek_id
          AND ${key.map((column, index) => `${table}.${column} = ${columns[index]}`).join(' AND ')}
        RETURNING 1),
      recorded AS (${insertPlaced(`(${record})`, 'true')})
      SELECT count(*)::int AS count FROM changed`;
    const values = [
      changes.map(({ wrappedDataKey }) => wrappedDataKey),
      changes.map(({ before }) => before.wrappedDataKey),
      changes.map(({ before }) => before.kekId),
      kekId,
      JSON.stringify(event.row),
      ...key.map((_, index) => changes.map(({ id }) => id[index])),
    ];
    const changed = () => retryConflicts(() => pool.query<{ count: number }>(statement, values));
    const { rows } = await untilLocked(changed, { patience: LOCK_PATIENCE });
    const { count } = rows[0]!;
    if (count > 0) {
      event.row.details = { kekId, rows: { [table]: count } };
      event.stored();
    }
    return count;
  }

  function tryToRewrap(sealed: Sealed, identity: string): Sealed | undefined {
    try {
      return keyEncryption.rewrap(sealed, identity);
    } catch {
      return undefined;
    }
  }

  const liveNodes = async (): Promise<NodeKeys[]> => (await listNodes(pool)).map(({ id, kekIds }) => ({ id, kekIds }));

  const nodesWithout = async () => (await liveNodes()).filter(({ kekIds }) => !kekIds.includes(kekId));

  return async function rewrap(by: AuditContext): Promise<RewrapOutcome> {
    const damaged: string[] = [];
    const rows: Record<string, number> = {};
    for (const table of [...OWN_TABLES, ...tables]) {
      const count = await rewrapTable(table, by, damaged);
      if (count === 'refused') return { kind: 'refused', kekId, nodes: await nodesWithout() };
      rows[table.table] = count;
    }
    const sealElsewhere = (await liveNodes()).filter(({ kekIds }) => kekIds[0] !== kekId);
    return { kind: 'done', kekId, rows, damaged, sealElsewhere };
  };
}

export type Rewrap = ReturnType<typeof createRewrap>;
