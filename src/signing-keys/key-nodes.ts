import type { Pool } from 'pg';

/** Anything that runs a query: the pool, or the connection of a transaction. */
export interface Queryable {
  query(text: string): Promise<{ rows: unknown[] }>;
}

/** A node that serves, and how far it has followed. */
export interface NodeRecord {
  id: string;
  version: number;
  /** Seconds. */
  seenAgo: number;
  /** The first seals. */
  kekIds: string[];
}

/** Seconds after which a node is as good as gone. It says that it is there much more often. */
export const NODE_GONE = 180;

const FORGOTTEN = 24 * 60 * 60;

/** Who was seen in the last so many seconds. */
export async function listNodes(database: Queryable, seconds = NODE_GONE): Promise<NodeRecord[]> {
  const { rows } = await database.query(
    `SELECT id::text, version, kek_ids AS "kekIds", extract(epoch FROM clock_timestamp() - seen_at)::float8 AS "seenAgo"
     FROM key_set_nodes WHERE seen_at > clock_timestamp() - make_interval(secs => ${seconds}) ORDER BY id`,
  );
  return rows as NodeRecord[];
}

/** Says that this node is there; nodes that were not for a day are forgotten. */
export async function reportNode(
  pool: Pool,
  node: { id: string; version: number; kekIds: readonly string[] },
): Promise<void> {
  await pool.query(
    `WITH gone AS (DELETE FROM key_set_nodes WHERE seen_at < clock_timestamp() - make_interval(secs => $4))
     INSERT INTO key_set_nodes (id, version, kek_ids, seen_at) VALUES ($1::uuid, $2, $3, clock_timestamp())
     ON CONFLICT (id) DO UPDATE SET version = excluded.version, kek_ids = excluded.kek_ids, seen_at = excluded.seen_at`,
    [node.id, node.version, node.kekIds, FORGOTTEN],
  );
}

export async function removeNode(pool: Pool, id: string): Promise<void> {
  await pool.query('DELETE FROM key_set_nodes WHERE id = $1::uuid', [id]);
}
