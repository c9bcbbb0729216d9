import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createAudit } from '../../src/audit/audit.ts';
import { createEndingForDisabledClients } from '../../src/provider/disabled-clients.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';

const GRANTS = 2_500;

let database: TestDatabase;
let end: ReturnType<typeof createEndingForDisabledClients>;
beforeAll(async () => {
  database = await openTestDatabase();
  const audit = createAudit({ database, logger: { info() {}, warn() {}, error() {} } as never });
  end = createEndingForDisabledClients({ database, audit });
});
afterAll(() => database.close());
beforeEach(async () => {
  await database.pool.query('DELETE FROM protocol_artifacts');
  await database.pool.query('DELETE FROM clients');
});

const { signal } = new AbortController();

/** A client with grants, a token under each of them, and tokens of its own. */
async function makeClient(id: string, state: 'active' | 'disabled', { grants = 0, tokens = 0 } = {}): Promise<void> {
  const { pool } = database;
  await pool.query(`INSERT INTO clients (id, name, metadata, state) VALUES ($1, 'Notes', '{}', $2::client_state)`, [
    id,
    state,
  ]);
  const artifact = `INSERT INTO protocol_artifacts (id, kind, grant_id, client_id, payload, expires_at)`;
  const digest = (kind: string) => `sha256(convert_to($1 || '${kind}' || n, 'UTF8'))`;
  const rows = `'{}', now() + interval '1 hour' FROM generate_series(1, $2::int) AS n`;
  await pool.query(`${artifact} SELECT ${digest('Grant')}, 'Grant', NULL, $1, ${rows}`, [id, grants]);
  await pool.query(`${artifact} SELECT ${digest('under')}, 'AccessToken', ${digest('Grant')}, NULL, ${rows}`, [
    id,
    grants,
  ]);
  await pool.query(`${artifact} SELECT ${digest('own')}, 'ClientCredentials', NULL, $1, ${rows}`, [id, tokens]);
}

/** What counts, by kind. */
async function left(): Promise<Record<string, number>> {
  const { rows } = await database.pool.query<{ kind: string; count: number }>(
    'SELECT kind, count(*)::int AS count FROM protocol_artifacts WHERE revoked_at IS NULL GROUP BY kind',
  );
  return Object.fromEntries(rows.map(({ kind, count }) => [kind, count]));
}

async function recorded(clientId: string): Promise<unknown[]> {
  const where = { clientId, type: 'client.access_ended' };
  const rows = await database.prisma.auditEvent.findMany({ where, orderBy: { id: 'asc' } });
  return rows.map(({ actor, details }) => ({ actor, ...(details as object) }));
}

describe('S-047 what a client that is disabled still has', () => {
  test('ends though that of another cannot be ended in this round', async () => {
    await makeClient('first', 'disabled', { grants: 1 });
    await makeClient('second', 'disabled', { grants: 1 });
    const { pool } = database;
    await pool.query(`ALTER TABLE audit_events ADD CONSTRAINT not_first CHECK (client_id <> 'first') NOT VALID`);
    try {
      await expect(end(signal)).rejects.toThrow(/not_first/);
    } finally {
      await pool.query('ALTER TABLE audit_events DROP CONSTRAINT not_first');
    }
    expect([await recorded('first'), await recorded('second')]).toEqual([[], [expect.anything()]]);
    await end(signal);
    expect(await recorded('first')).toEqual([expect.anything()]);
  });

  test('ends in portions, each with its record, and nothing of others does', async () => {
    await makeClient('left-over', 'disabled', { grants: GRANTS, tokens: 3 });
    await makeClient('of-others', 'active', { grants: 2, tokens: 1 });
    await end(signal);
    expect(await left()).toEqual({ Grant: 2, AccessToken: 2, ClientCredentials: 1 });
    expect(await recorded('left-over')).toEqual([
      { actor: 'system', grantsEnded: 2_000, tokensEnded: 3 },
      { actor: 'system', grantsEnded: 500, tokensEnded: 0 },
    ]);
    // The tombstones stay, and are nothing to end.
    await end(signal);
    expect(await recorded('left-over')).toHaveLength(2);
    expect(await recorded('of-others')).toEqual([]);
  });

  test('is found among as many clients as there are', async () => {
    await database.pool.query(
      `INSERT INTO clients (id, name, metadata) SELECT 'client-' || lpad(n::text, 5, '0'), 'Client', '{}' FROM generate_series(1, 1200) AS n`,
    );
    await makeClient('a-first', 'disabled', { grants: 1 });
    await makeClient('client-00700-between', 'disabled', { tokens: 1 });
    await makeClient('z-last', 'disabled', { grants: 1 });
    await end(signal);
    expect(await left()).toEqual({});
  });

  test('is left alone by a node that stops', async () => {
    await makeClient('waiting', 'disabled', { grants: 1 });
    await end(AbortSignal.abort());
    expect(await left()).toEqual({ Grant: 1, AccessToken: 1 });
  });

  test('is not ended without its record', async () => {
    await makeClient('unrecordable', 'disabled', { grants: 1 });
    await database.pool.query(
      `ALTER TABLE audit_events ADD CONSTRAINT not_now CHECK (client_id <> 'unrecordable') NOT VALID`,
    );
    await expect(end(signal)).rejects.toThrow();
    expect(await left()).toEqual({ Grant: 1, AccessToken: 1 });
    await database.pool.query('ALTER TABLE audit_events DROP CONSTRAINT not_now');
    await end(signal);
    expect(await left()).toEqual({});
  });

  // The embedded database has one session, and nobody else who could hold a lock.
  if (process.env.TEST_POSTGRES_URL) {
    test('is left to whoever is disabling or enabling it at this moment', async () => {
      await makeClient('held', 'disabled', { grants: 1 });
      const holder = await database.pool.connect();
      try {
        await holder.query('BEGIN');
        await holder.query(`SELECT FROM clients WHERE id = 'held' FOR NO KEY UPDATE`);
        await end(signal);
        expect(await left()).toEqual({ Grant: 1, AccessToken: 1 });
      } finally {
        await holder.query('ROLLBACK');
        holder.release();
      }
      await end(signal);
      expect(await left()).toEqual({});
    });
  }
});
