import { beforeAll, expect, test } from '@jest/globals';
import { workAs } from '../../src/platform/database/as-subject.ts';
import { createPerson } from '../accounts/node.ts';
import { recordStatements } from '../support/recorded-statements.ts';
import { actingFor, type KeyNode, makeKey, useKeyNodes } from './key-nodes.ts';

/** So many that looking at all of them is never the better plan. */
const ROWS = 20_000;

let node: KeyNode;
useKeyNodes((nodes) => {
  node = nodes.node;
});

let alice: string;
beforeAll(async () => {
  alice = (await createPerson(node)).id;
  await workAs(node.database.pool, { role: 'administrator' }, (client) =>
    client.query(
      `INSERT INTO api_keys (id, owner_kind, digest, prefix, hint, name, access, expires_at)
       SELECT gen_random_uuid(), 'system', sha256(n::text::bytea), 'sk-', 'aaaa', 'filler', '{}', now() + n * interval '1 minute'
       FROM generate_series(1, $1) AS n`,
      [ROWS],
    ),
  );
  await node.database.pool.query('ANALYZE api_keys');
});

async function planOf(role: string, text: string, values: unknown[]): Promise<string> {
  const rows = await workAs(node.database.pool, { role, subject: alice } as never, async (client) => {
    return (await client.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${text}`, values)).rows;
  });
  return rows.map((row) => row['QUERY PLAN']).join('\n');
}

test('row-level security leaves the indexes in use: comparing digests and ids tells nothing by its errors', async () => {
  const { rows } = await node.database.pool.query(
    "SELECT bool_and(proleakproof) AS leakproof FROM pg_proc WHERE proname IN ('byteaeq', 'uuid_eq')",
  );
  expect(rows).toEqual([{ leakproof: true }]);
  const verified = 'SELECT id FROM api_keys WHERE digest = ANY ($1::bytea[])';
  expect(await planOf('verifier', verified, [[Buffer.alloc(32)]])).toContain('api_keys_digest_key');
});

test('a list of one’s own, a count and a look at one read no more rows than they are about', async () => {
  const key = await makeKey(node, { kind: 'user', id: alice });
  const recorded = recordStatements(node.database.pool);
  await node.apiKeys.list({ limit: 20 }, actingFor(alice));
  await makeKey(node, { kind: 'user', id: alice });
  await node.apiKeys.find(key.id, actingFor(alice));
  const reads = recorded.filter(({ text }) => /^SELECT[\s\S]*FROM api_keys/.test(text.trim()));
  expect(reads.length).toBeGreaterThanOrEqual(3);
  for (const { text, values } of reads) expect(await planOf('owner', text, values)).not.toContain('Seq Scan');
});

test('the function that a check calls finds a key among many without looking at the others', async () => {
  const key = await makeKey(node, { kind: 'user', id: alice });
  const { pool } = node.database;
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    await client.query("SET LOCAL plan_cache_mode = 'force_generic_plan'");
    const tuples = "SELECT pg_stat_get_xact_tuples_returned('api_keys'::regclass)::int AS read";
    const digest = await workAs(
      pool,
      { role: 'owner', subject: alice },
      async (other) =>
        (await other.query<{ digest: Buffer }>('SELECT digest FROM api_keys WHERE id = $1', [key.id])).rows[0]!.digest,
    );
    const [first] = (await client.query<{ read: number }>(tuples)).rows;
    for (let round = 0; round < 8; round++) {
      expect((await client.query('SELECT id FROM api_keys_by_digest($1)', [[digest]])).rows).toEqual([{ id: key.id }]);
    }
    const [last] = (await client.query<{ read: number }>(tuples)).rows;
    // Those that a scan of the table returned; what came by an index is counted apart.
    expect(last!.read - first!.read).toBeLessThan(100);
    await client.query('COMMIT');
  } finally {
    client.release();
  }
});
