import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { actAs, workAs } from '../../src/platform/database/as-subject.ts';
import { createPerson } from '../accounts/node.ts';
import { type KeyNode, makeKey, NOTES, useKeyNodes } from './key-nodes.ts';

let node: KeyNode;
useKeyNodes((nodes) => {
  node = nodes.node;
});

type Query = <Row>(text: string, values?: unknown[]) => Promise<Row[]>;

/** As the service's own role, without saying for whom. */
const query: Query = async (text, values) => (await node.database.pool.query(text, values as never)).rows;

let alice: string;
let bob: string;
let keyOfAlice: string;
let keyOfBob: string;

beforeEach(async () => {
  alice = (await createPerson(node)).id;
  bob = (await createPerson(node)).id;
  keyOfAlice = (await makeKey(node, { kind: 'user', id: alice })).id;
  keyOfBob = (await makeKey(node, { kind: 'user', id: bob })).id;
});

function as<Row>(acting: Parameters<typeof workAs>[1], text: string, values: unknown[] = []): Promise<Row[]> {
  return workAs(node.database.pool, acting, async (client) => (await client.query(text, values)).rows);
}

const asAlice = <Row>(text: string, values: unknown[] = []) => as<Row>({ role: 'owner', subject: alice }, text, values);

describe('the tables', () => {
  test('are under row-level security that binds their owner too, and the role of the service is above nothing', async () => {
    const rows = await query(
      `SELECT relname AS name, relrowsecurity AS enabled, relforcerowsecurity AS forced FROM pg_class
       WHERE relname IN ('api_keys', 'service_accounts') AND relkind = 'r' ORDER BY 1`,
    );
    expect(rows).toEqual([
      { name: 'api_keys', enabled: true, forced: true },
      { name: 'service_accounts', enabled: true, forced: true },
    ]);
    expect(await query('SELECT rolsuper OR rolbypassrls AS above FROM pg_roles WHERE rolname = current_user')).toEqual([
      { above: false },
    ]);
  });

  test('have a policy for each role and command that says what may be read and what may be written', async () => {
    const policies = await query<{ tablename: string; policyname: string; cmd: string; qual: string; check: string }>(
      `SELECT tablename, policyname, cmd, qual, with_check AS check, permissive FROM pg_policies
       WHERE tablename IN ('api_keys', 'service_accounts')`,
    );
    expect(policies.length).toBeGreaterThan(10);
    for (const { policyname, cmd, qual, check } of policies) {
      const role = policyname.split('_')[0]!;
      const [reads, writes] = [cmd !== 'INSERT', cmd === 'INSERT' || cmd === 'UPDATE'];
      if (reads) expect([policyname, qual]).toEqual([policyname, expect.stringContaining(`'${role}'`)]);
      if (writes) expect([policyname, check]).toEqual([policyname, expect.stringContaining(`'${role}'`)]);
      // Nobody may everything at once.
      expect(cmd).not.toBe('ALL');
    }
    // Rows are removed by clean-up alone; the verifier only reads.
    expect(policies.filter(({ cmd }) => cmd === 'DELETE').map(({ policyname }) => policyname)).toEqual([
      'caretaker_removes',
    ]);
    const ofVerifier = policies.filter(({ policyname }) => policyname.startsWith('verifier'));
    expect(new Set(ofVerifier.map(({ cmd }) => cmd))).toEqual(new Set(['SELECT']));
  });
});

describe('whoever does not say for whom', () => {
  test('sees nothing', async () => {
    expect(await query('SELECT id FROM api_keys')).toEqual([]);
    expect(await query('SELECT id FROM service_accounts')).toEqual([]);
    expect(await node.database.prisma.apiKey.count()).toBe(0);
  });

  test('changes and removes nothing', async () => {
    expect(await query('UPDATE api_keys SET revoked_at = now() RETURNING id')).toEqual([]);
    expect(await query('DELETE FROM api_keys RETURNING id')).toEqual([]);
    expect(await asAlice('SELECT id, revoked_at FROM api_keys')).toEqual([{ id: keyOfAlice, revoked_at: null }]);
  });

  test('makes nothing', async () => {
    await expect(query(INSERT, [randomUUID(), alice, Buffer.from(randomUUID())])).rejects.toMatchObject({
      code: '42501',
    });
  });

  test('or says something unknown, or an owner without a subject, is no better off', async () => {
    for (const [role, subject] of [
      ['postgres', alice],
      ['', alice],
      ['owner', ''],
      ['OWNER', alice],
    ]) {
      const rows = await workAs(node.database.pool, { role, subject } as never, async (client) => {
        await client.query("SELECT set_config('daemun.subject', $1, true)", [subject]);
        return (await client.query('SELECT id FROM api_keys')).rows;
      });
      expect([role, subject, rows]).toEqual([role, subject, []]);
    }
  });
});

const INSERT = `INSERT INTO api_keys (id, owner_kind, user_id, digest, prefix, hint, name, access)
  VALUES ($1, 'user', $2, $3, 'sk-', 'aaaa', 'planted', '{}') RETURNING id`;

describe('an owner', () => {
  test('sees their own and nobody else’s', async () => {
    expect(await asAlice('SELECT id FROM api_keys')).toEqual([{ id: keyOfAlice }]);
    expect(await asAlice('SELECT id FROM api_keys WHERE id = $1', [keyOfBob])).toEqual([]);
  });

  test('changes nothing of others', async () => {
    expect(await asAlice('UPDATE api_keys SET name = $1 WHERE id = $2 RETURNING id', ['mine', keyOfBob])).toEqual([]);
    expect(await asAlice('UPDATE api_keys SET name = $1 RETURNING id', ['mine'])).toEqual([{ id: keyOfAlice }]);
  });

  test('makes none for others', async () => {
    const values = [randomUUID(), bob, Buffer.from(randomUUID())];
    await expect(asAlice(INSERT, values)).rejects.toMatchObject({ code: '42501' });
  });

  test('gives none of theirs away, nor takes one', async () => {
    await expect(asAlice('UPDATE api_keys SET user_id = $1', [bob])).rejects.toMatchObject({ code: '42501' });
    expect(await asAlice('UPDATE api_keys SET user_id = $1 WHERE user_id = $2 RETURNING id', [alice, bob])).toEqual([]);
  });

  test('removes none, not even their own', async () => {
    expect(await asAlice('DELETE FROM api_keys RETURNING id')).toEqual([]);
  });

  test('whose subject is no id is told of an error and sees nothing', async () => {
    await expect(as({ role: 'owner', subject: "' OR true --" }, 'SELECT id FROM api_keys')).rejects.toMatchObject({
      code: '22P02',
    });
  });
});

test('an administrator sees and changes everybody’s, and removes none', async () => {
  const ids = await as<{ id: string }>({ role: 'administrator' }, 'SELECT id FROM api_keys');
  expect(ids.map(({ id }) => id)).toEqual(expect.arrayContaining([keyOfAlice, keyOfBob]));
  expect(await as({ role: 'administrator' }, 'DELETE FROM api_keys RETURNING id')).toEqual([]);
});

describe('for whom a transaction works', () => {
  test('is forgotten when it ends: the next one on the same connection sees nothing', async () => {
    const { pool } = node.database;
    const client = await pool.connect();
    try {
      for (const end of ['COMMIT', 'ROLLBACK']) {
        await client.query('BEGIN');
        await client.query("SELECT set_config('daemun.role', 'administrator', true)");
        expect((await client.query('SELECT id FROM api_keys')).rows.length).toBeGreaterThan(0);
        await client.query(end);
        expect((await client.query('SELECT id FROM api_keys')).rows).toEqual([]);
        expect((await client.query("SELECT current_setting('daemun.role', true) AS role")).rows[0].role).toBeFalsy();
      }
    } finally {
      client.release();
    }
  });

  test('is forgotten also when its work fails, and by Prisma’s transactions as by those on the pool', async () => {
    const { prisma, pool } = node.database;
    await expect(
      workAs(pool, { role: 'administrator' }, async (client) => client.query('SELECT no_such_column')),
    ).rejects.toMatchObject({ code: '42703' });
    await prisma.$transaction(async (tx) => {
      await actAs(tx, { role: 'administrator' });
      expect(await tx.apiKey.count()).toBeGreaterThan(0);
    });
    const failing = prisma.$transaction(async (tx) => {
      await actAs(tx, { role: 'administrator' });
      throw new Error('it failed');
    });
    await expect(failing).rejects.toThrow('it failed');
    // As many at once as there are connections and more.
    const counts = await Promise.all(Array.from({ length: 20 }, () => prisma.apiKey.count()));
    expect(new Set(counts)).toEqual(new Set([0]));
  });

  test('holds for nobody else at the same moment', async () => {
    const own = await Promise.all(
      Array.from({ length: 12 }, (_, index) => {
        const subject = index % 2 ? alice : bob;
        return as<{ user_id: string }>({ role: 'owner', subject }, 'SELECT user_id FROM api_keys').then((rows) =>
          rows.every(({ user_id }) => user_id === subject),
        );
      }),
    );
    expect(own).not.toContain(false);
  });
});

describe('the function that a check calls', () => {
  const DIGEST = 'SELECT digest FROM api_keys WHERE id = $1';

  test('reads what is asked for by its digest, without anybody having said for whom, and leaves nothing behind', async () => {
    const [row] = await asAlice<{ digest: Buffer }>(DIGEST, [keyOfAlice]);
    const { pool } = node.database;
    const client = await pool.connect();
    try {
      await client.query('BEGIN');
      const { rows } = await client.query('SELECT id, owner_id FROM api_keys_by_digest($1)', [[row!.digest]]);
      expect(rows).toEqual([{ id: keyOfAlice, owner_id: alice }]);
      // Not even within the transaction that called it.
      expect((await client.query('SELECT id FROM api_keys')).rows).toEqual([]);
      await client.query('COMMIT');
    } finally {
      client.release();
    }
    expect(await query('SELECT id FROM api_keys_by_digest($1)', [[]])).toEqual([]);
    expect(await query('SELECT id FROM api_keys_by_digest(NULL)')).toEqual([]);
  });

  test('gives back the role that was said before', async () => {
    const [row] = await asAlice<{ digest: Buffer }>(DIGEST, [keyOfAlice]);
    const seen = await workAs(node.database.pool, { role: 'owner', subject: bob }, async (client) => {
      await client.query('SELECT id FROM api_keys_by_digest($1)', [[row!.digest]]);
      return (await client.query('SELECT id FROM api_keys')).rows;
    });
    expect(seen).toEqual([{ id: keyOfBob }]);
  });

  test('has no rights of its own', async () => {
    const rows = await query(
      `SELECT proname AS name, prosecdef AS "asDefiner" FROM pg_proc
       WHERE proname IN ('api_keys_by_digest', 'service_accounts_by_id') ORDER BY 1`,
    );
    expect(rows).toEqual([
      { name: 'api_keys_by_digest', asDefiner: false },
      { name: 'service_accounts_by_id', asDefiner: false },
    ]);
  });
});

test('S-049 no id is both a person’s and a service account’s: the tables refuse the other’s kind', async () => {
  const created = await node.serviceAccounts.create(
    { name: 'Robot', access: { [NOTES]: ['read'] } },
    { actor: 'test' },
  );
  if (created.kind !== 'created') throw new Error(created.kind);
  const { id } = created.serviceAccount;
  await expect(query('INSERT INTO users (id) VALUES ($1)', [id])).rejects.toMatchObject({ code: '23514' });
  const insert = 'INSERT INTO service_accounts (id, name) VALUES ($1, $2)';
  await expect(as({ role: 'administrator' }, insert, [alice, 'x'])).rejects.toMatchObject({ code: '23514' });
});
