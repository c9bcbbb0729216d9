import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type Audit, createAudit } from '../../src/audit/audit.ts';
import type { Database } from '../../src/platform/database/database.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { createKeyEncryption, type KeyEncryption, type Sealed } from '../../src/signing-keys/envelope.ts';
import { findKekIds } from '../../src/signing-keys/key-encryption.ts';
import { NODE_GONE } from '../../src/signing-keys/key-nodes.ts';
import { createRewrap, type RewrapOutcome } from '../../src/signing-keys/rewrap.ts';
import { serverSecretIdentity, signingKeyIdentity } from '../../src/signing-keys/sealed-table.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { anotherNode } from './another-node.ts';

const [olderKey, newerKey] = [randomBytes(32), randomBytes(32)];
const before = createKeyEncryption(olderKey);
const between = createKeyEncryption([newerKey, olderKey]);
const after = createKeyEncryption(newerKey);
const BY = { actor: 'cli' };

/** As another folder would describe a table of its own. */
const elsewhere = {
  table: 'kept_elsewhere',
  key: ['provider', 'subject'],
  ciphertext: 'sealed',
  identityOf: ([provider, subject]: readonly string[]) => `elsewhere:${provider}:${subject}`,
};

let database: TestDatabase;
let second: Database;
let audit: Audit;
beforeAll(async () => {
  database = await openTestDatabase();
  second = await anotherNode(database);
  audit = createAudit({ database, logger: createLogger({ level: 'silent', production: true }) });
  await database.pool.query(
    `CREATE TABLE kept_elsewhere (provider text, subject text, sealed bytea, wrapped_data_key bytea, kek_id text NOT NULL,
       PRIMARY KEY (provider, subject))`,
  );
});
afterAll(() => database.close());
beforeEach(async () => {
  await database.pool.query('TRUNCATE signing_keys, server_secrets, key_set_nodes, kept_elsewhere');
  await forgetRecords();
});

let newest = '';

/** Records are for ever: those before this do not count. */
async function forgetRecords(): Promise<void> {
  const { rows } = await database.pool.query<{ id: string }>('SELECT id FROM audit_events ORDER BY id DESC LIMIT 1');
  newest = rows[0]?.id ?? '00000000-0000-0000-0000-000000000000';
}

async function recorded() {
  type Row = { actor: string; details: { kekId: string; rows: Record<string, number> } };
  const { rows } = await database.pool.query<Row>(
    `SELECT actor, details FROM audit_events WHERE type = 'keys.rewrapped' AND id > $1 ORDER BY id`,
    [newest],
  );
  return rows;
}

const on = (where: Pick<Database, 'pool'>, keyEncryption = between, batch = 3) => {
  return createRewrap({ database: where, keyEncryption, audit, tables: [elsewhere], batch });
};
const rewrap = (keyEncryption?: KeyEncryption): Promise<RewrapOutcome> => on(database, keyEncryption)(BY);

const values = new Map<string, Buffer>();
const SELECT = {
  signing_keys: `SELECT kid AS id, '' AS other, private_key AS ciphertext, wrapped_data_key AS "wrappedDataKey", kek_id AS "kekId" FROM signing_keys ORDER BY kid`,
  server_secrets: `SELECT id, purpose AS other, sealed AS ciphertext, wrapped_data_key AS "wrappedDataKey", kek_id AS "kekId" FROM server_secrets ORDER BY id`,
  kept_elsewhere: `SELECT provider AS id, subject AS other, sealed AS ciphertext, wrapped_data_key AS "wrappedDataKey", kek_id AS "kekId" FROM kept_elsewhere ORDER BY provider, subject`,
};
type Table = keyof typeof SELECT;
const IDENTITY: Record<Table, (id: string, other: string) => string> = {
  signing_keys: signingKeyIdentity,
  server_secrets: serverSecretIdentity,
  kept_elsewhere: (provider, subject) => elsewhere.identityOf([provider, subject]),
};

function sealNew(identity: string, keyEncryption: KeyEncryption): Sealed {
  const value = randomBytes(32);
  values.set(identity, value);
  return keyEncryption.seal(value, identity);
}

async function addKey(kid: string, keyEncryption = before): Promise<void> {
  const { ciphertext, wrappedDataKey, kekId } = sealNew(signingKeyIdentity(kid), keyEncryption);
  await database.pool.query(
    `INSERT INTO signing_keys (kid, algorithm, state, public_jwk, private_key, wrapped_data_key, kek_id)
     VALUES ($1, 'ES256', 'retiring', '{}', $2, $3, $4)`,
    [kid, ciphertext, wrappedDataKey, kekId],
  );
}

async function addSecret(id: string, purpose: string, keyEncryption = before): Promise<void> {
  const { ciphertext, wrappedDataKey, kekId } = sealNew(serverSecretIdentity(id, purpose), keyEncryption);
  await database.pool.query(
    'INSERT INTO server_secrets (id, purpose, sealed, wrapped_data_key, kek_id) VALUES ($1, $2, $3, $4, $5)',
    [id, purpose, ciphertext, wrappedDataKey, kekId],
  );
}

async function addElsewhere(provider: string, subject: string): Promise<void> {
  const { ciphertext, wrappedDataKey, kekId } = sealNew(elsewhere.identityOf([provider, subject]), before);
  await database.pool.query('INSERT INTO kept_elsewhere VALUES ($1, $2, $3, $4, $5)', [
    ...[provider, subject, ciphertext, wrappedDataKey, kekId],
  ]);
}

/** Seven keys, seven secrets and seven rows of somebody else: more than two batches each. */
async function fill(): Promise<void> {
  for (let index = 0; index < 7; index++) {
    await addKey(`kid-${index}`);
    await addSecret(`secret-${index}`, index % 2 ? 'cookie-signature' : 'password-pepper');
    await addElsewhere(`provider-${index % 2}`, `subject-${index}`);
  }
}

async function rowsOf(table: Table) {
  type Row = Sealed & { id: string; other: string };
  const { rows } = await database.pool.query<Row>(SELECT[table]);
  return rows.map((row) => ({ ...row, identity: IDENTITY[table](row.id, row.other) }));
}

async function expectAllToOpen(keyEncryption: KeyEncryption): Promise<void> {
  for (const table of Object.keys(SELECT) as Table[]) {
    for (const { identity, ...sealed } of await rowsOf(table)) {
      expect(keyEncryption.open(sealed, identity)).toEqual(values.get(identity));
    }
  }
}

async function addNode(kekIds: readonly string[], age = 0): Promise<string> {
  const id = randomUUID();
  await database.pool.query(
    `INSERT INTO key_set_nodes (id, version, kek_ids, seen_at) VALUES ($1, 1, $2, now() - $3 * interval '1 second')`,
    [id, kekIds, age],
  );
  return id;
}

test('everything is under the first key afterwards, the older one is not needed any more, and no secret has changed', async () => {
  await fill();
  const ciphertexts = (await rowsOf('signing_keys')).map(({ ciphertext }) => ciphertext);
  const rows = { signing_keys: 7, server_secrets: 7, kept_elsewhere: 7 };
  expect(await rewrap()).toEqual({ kind: 'done', kekId: after.kekId, rows, damaged: [], sealElsewhere: [] });
  expect(await findKekIds(database.pool, [elsewhere])).toEqual([after.kekId]);
  await expectAllToOpen(after);
  expect((await rowsOf('signing_keys')).map(({ ciphertext }) => ciphertext)).toEqual(ciphertexts);

  // Seven rows of each, by three.
  const portions = Object.keys(rows).flatMap((table) => [3, 3, 1].map((count) => ({ [table]: count })));
  expect(await recorded()).toEqual(portions.map((rows) => ({ actor: 'cli', details: { kekId: after.kekId, rows } })));
});

test('S-175 what is changed is recorded by the statement that changes it, and is not changed where it cannot be', async () => {
  await fill();
  await database.pool.query(
    `ALTER TABLE audit_events ADD CONSTRAINT none_of_this CHECK (NOT coalesce(details -> 'rows' ? 'server_secrets', false)) NOT VALID`,
  );
  await expect(rewrap()).rejects.toMatchObject({ code: '23514' });
  await database.pool.query('ALTER TABLE audit_events DROP CONSTRAINT none_of_this');
  expect((await rowsOf('signing_keys')).every(({ kekId }) => kekId === after.kekId)).toBe(true);
  expect((await rowsOf('server_secrets')).every(({ kekId }) => kekId === before.kekId)).toBe(true);
  expect((await recorded()).map(({ details }) => details.rows)).toEqual(
    [3, 3, 1].map((signing_keys) => ({ signing_keys })),
  );
});

test('a second time there is nothing to do', async () => {
  await fill();
  await rewrap();
  const first = await rowsOf('server_secrets');
  const told = (await recorded()).length;
  expect(await rewrap()).toMatchObject({ rows: { signing_keys: 0, server_secrets: 0, kept_elsewhere: 0 } });
  expect(await rowsOf('server_secrets')).toEqual(first);
  expect(await recorded()).toHaveLength(told);
});

test('what is erased, and what is under the first key already, stays as it is', async () => {
  await addKey('erased');
  await database.pool.query(`UPDATE signing_keys SET private_key = NULL, wrapped_data_key = NULL`);
  await addKey('current', after);
  expect(await rewrap()).toMatchObject({ kind: 'done', rows: { signing_keys: 0 }, damaged: [] });
});

test('two nodes at once do the work once, and each row opens', async () => {
  await fill();
  const outcomes = await Promise.all([on(database)(BY), on(second)(BY), on(database)(BY), on(second)(BY)]);
  const changed = outcomes.map((outcome) => (outcome.kind === 'done' ? outcome.rows.server_secrets! : Number.NaN));
  expect(changed.reduce((sum, count) => sum + count)).toBe(7);
  const told = (await recorded()).map(({ details }) => details.rows.server_secrets ?? 0);
  expect(told.reduce((sum, count) => sum + count)).toBe(7);
  await expectAllToOpen(after);
});

test('killed after any number of statements, everything opens with both keys, and the next run goes on from there', async () => {
  for (let statements = 1; ; statements += 2) {
    await database.pool.query('TRUNCATE signing_keys, server_secrets, kept_elsewhere');
    await forgetRecords();
    await fill();
    let left = statements;
    const dying = {
      query: (...args: Parameters<typeof database.pool.query>) => {
        left -= 1;
        return left < 0 ? Promise.reject(new Error('killed')) : database.pool.query(...args);
      },
    };
    const outcome = await on({ pool: dying as never })(BY).catch((error: Error) => error.message);
    await expectAllToOpen(between);
    expect(await rewrap()).toMatchObject({ kind: 'done', damaged: [] });
    await expectAllToOpen(after);
    const told = (await recorded()).flatMap(({ details }) => Object.values(details.rows));
    expect(told.reduce((sum, count) => sum + count)).toBe(21);
    if (outcome !== 'killed') break;
  }
}, 60_000);

test('a row that was written meanwhile keeps what was written', async () => {
  await addSecret('secret-1', 'password-pepper');
  const identity = serverSecretIdentity('secret-1', 'password-pepper');
  const meanwhile = sealNew(identity, before);
  const racing = {
    async query(text: string, values?: unknown[]) {
      if (text.includes('UPDATE server_secrets')) {
        await database.pool.query('UPDATE server_secrets SET sealed = $1, wrapped_data_key = $2', [
          ...[meanwhile.ciphertext, meanwhile.wrappedDataKey],
        ]);
      }
      return database.pool.query(text, values);
    },
  };
  expect(await on({ pool: racing as never })(BY)).toMatchObject({ rows: { server_secrets: 0 } });
  await expectAllToOpen(before);
});

describe('while a node serves that cannot open the new key', () => {
  test('nothing is changed, and the answer says which node and what it has', async () => {
    await fill();
    await addNode(between.kekIds);
    const id = await addNode(before.kekIds);
    const nodes = [{ id, kekIds: [before.kekId] }];
    expect(await rewrap()).toEqual({ kind: 'refused', kekId: after.kekId, nodes });
    expect(await findKekIds(database.pool, [elsewhere])).toEqual([before.kekId]);
  });

  test('it counts as long as other nodes count it, and no longer', async () => {
    await fill();
    const id = await addNode(before.kekIds, NODE_GONE - 30);
    expect(await rewrap()).toMatchObject({ kind: 'refused', nodes: [{ id }] });
    await database.pool.query(`UPDATE key_set_nodes SET seen_at = seen_at - interval '31 seconds'`);
    expect(await rewrap()).toMatchObject({ kind: 'done' });
  });

  test('one that starts in the middle ends the work there', async () => {
    await fill();
    let statements = 0;
    const busy = {
      async query(...args: Parameters<typeof database.pool.query>) {
        statements += 1;
        if (statements === 8) await addNode(before.kekIds);
        return database.pool.query(...args);
      },
    };
    expect(await on({ pool: busy as never })(BY)).toMatchObject({
      kind: 'refused',
      nodes: [{ kekIds: [before.kekId] }],
    });
    expect(await findKekIds(database.pool)).toContain(before.kekId);
    await expectAllToOpen(between);
  });
});

test('nodes that open the new key and seal with another one are named: what they seal is under that', async () => {
  const id = await addNode([...between.kekIds].reverse());
  await addNode(between.kekIds);
  expect(await rewrap()).toMatchObject({ kind: 'done', sealElsewhere: [{ id, kekIds: [before.kekId, after.kekId] }] });
});

describe('a row that somebody altered is named and left, and all others are rewrapped:', () => {
  const swap = (what: string) => `UPDATE server_secrets a SET ${what} FROM server_secrets b
    WHERE a.id IN ('one', 'two') AND b.id IN ('one', 'two') AND a.id <> b.id`;

  test.each([
    ['its ciphertext exchanged with another row', swap('sealed = b.sealed')],
    ['its data key exchanged', swap('wrapped_data_key = b.wrapped_data_key')],
    ['both exchanged', swap('sealed = b.sealed, wrapped_data_key = b.wrapped_data_key')],
    ['its purpose changed', `UPDATE server_secrets SET purpose = 'csrf' WHERE id IN ('one', 'two')`],
    [
      'both taken from another table',
      `UPDATE server_secrets SET sealed = k.private_key, wrapped_data_key = k.wrapped_data_key
       FROM signing_keys k WHERE k.kid = 'one' AND id IN ('one', 'two')`,
    ],
    [
      'a bit of it changed',
      `UPDATE server_secrets SET sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1) WHERE id <> 'three'`,
    ],
  ])('%s', async (_how, statement) => {
    await addKey('one');
    await addSecret('one', 'password-pepper');
    await addSecret('two', 'cookie-signature');
    await addSecret('three', 'cookie-signature');
    await database.pool.query(statement);
    expect(await rewrap()).toMatchObject({
      kind: 'done',
      rows: { signing_keys: 1, server_secrets: 1 },
      damaged: ['server_secrets one', 'server_secrets two'],
    });
    for (const { id, identity, ...sealed } of await rowsOf('server_secrets')) {
      if (id === 'three') expect(after.open(sealed, identity)).toEqual(values.get(identity));
      else expect(() => between.open(sealed, identity)).toThrow();
    }
  });
});

test('a key that is locked while it changes is waited for', async () => {
  await addKey('kid-1');
  if (database.kind !== 'postgresql') return;
  const client = await second.pool.connect();
  await client.query('BEGIN');
  await client.query(`SELECT 1 FROM signing_keys FOR UPDATE`);
  const rewrapping = rewrap();
  // Longer than a statement waits for a lock by itself.
  await new Promise((resolve) => setTimeout(resolve, 900));
  await client.query('COMMIT');
  client.release();
  expect(await rewrapping).toMatchObject({ kind: 'done', rows: { signing_keys: 1 } });
});
