import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { createKeyEncryption } from '../../src/signing-keys/envelope.ts';
import { openSecrets } from '../../src/signing-keys/server-secrets.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { anotherNode } from './another-node.ts';

let database: TestDatabase;
const keyEncryption = createKeyEncryption(randomBytes(32));
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());
afterEach(async () => {
  await database.pool.query('DELETE FROM server_secrets');
});

function valuesOf(secrets: Awaited<ReturnType<typeof openSecrets>>): string[] {
  const { cookieKeys, peppers, dpopNonceSecrets, refreshSuccessorKey, csrfKey } = secrets;
  const buffers = [peppers.current.key, ...dpopNonceSecrets, refreshSuccessorKey, csrfKey];
  return [...cookieKeys, ...buffers.map((value) => value.toString('base64url'))];
}

test('the first start makes them, 256 bits each and all different, and later starts find the same', async () => {
  const first = await openSecrets({ database, keyEncryption });
  const values = valuesOf(first);
  expect(new Set(values).size).toBe(values.length);
  for (const value of values) expect(Buffer.from(value, 'base64url')).toHaveLength(32);
  expect(valuesOf(await openSecrets({ database, keyEncryption }))).toEqual(values);
});

test('nodes that start at once agree on them', async () => {
  const second = await anotherNode(database);
  const opened = await Promise.all(
    Array.from({ length: 6 }, (_, i) => openSecrets({ database: i % 2 ? second : database, keyEncryption })),
  );
  expect(new Set(opened.map((secrets) => valuesOf(secrets).join())).size).toBe(1);
});

test('nodes that start at once with different keys leave no mixture: one serves, the other is refused', async () => {
  const second = await anotherNode(database);
  const stranger = createKeyEncryption(randomBytes(32));
  const outcomes = await Promise.allSettled([
    openSecrets({ database, keyEncryption }),
    openSecrets({ database: second, keyEncryption: stranger }),
  ]);
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  const { reason } = outcomes.find(({ status }) => status === 'rejected') as PromiseRejectedResult;
  expect(reason).toMatchObject({ name: 'KeyEncryptionError', message: expect.stringContaining(stranger.kekId) });
  const { rows } = await database.pool.query('SELECT DISTINCT kek_id FROM server_secrets');
  expect(rows).toHaveLength(1);
});

test('a pepper is found by the name that a password was stored with, also when another one is current', async () => {
  const { peppers: before } = await openSecrets({ database, keyEncryption });
  await database.pool.query(`UPDATE server_secrets SET current_for = NULL WHERE purpose = 'password-pepper'`);
  const id = 'password-pepper-newer';
  const sealed = keyEncryption.seal(randomBytes(32), JSON.stringify(['server_secrets', id, 'password-pepper', 1]));
  await database.pool.query(
    `INSERT INTO server_secrets (id, purpose, sealed, wrapped_data_key, kek_id, current_for)
     VALUES ($1, 'password-pepper', $2, $3, $4, 'password-pepper')`,
    [id, sealed.ciphertext, sealed.wrappedDataKey, sealed.kekId],
  );
  const { peppers } = await openSecrets({ database, keyEncryption });
  expect(peppers.current.id).toBe(id);
  expect(peppers.byId(before.current.id)).toEqual(before.current.key);
  expect(peppers.byId('unknown')).toBeUndefined();
});

test('a secret that was put into another row is not opened', async () => {
  await openSecrets({ database, keyEncryption });
  await database.pool.query(
    `UPDATE server_secrets c SET sealed = o.sealed, wrapped_data_key = o.wrapped_data_key
     FROM server_secrets o WHERE c.purpose = 'csrf' AND o.purpose = 'dpop-nonce'`,
  );
  await expect(openSecrets({ database, keyEncryption })).rejects.toThrow(/csrf.*cannot be opened/);
});

test('an answer that was long under way does not put back what a later one replaced', async () => {
  const held: (() => void)[] = [];
  let holds = false;
  const query = async (text: string) => {
    const answer = await database.pool.query(text);
    if (holds) await new Promise<void>((resolve) => held.push(resolve));
    return answer;
  };
  const pool = { query, connect: () => database.pool.connect() } as unknown as typeof database.pool;
  const secrets = await openSecrets({ database: { pool }, keyEncryption });
  holds = true;
  const slow = secrets.reload();
  while (held.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  holds = false;
  await database.pool.query(`DELETE FROM server_secrets WHERE purpose = 'csrf'`);
  const newer = await openSecrets({ database, keyEncryption });
  expect(await secrets.reload()).toBe(true);
  held[0]!();
  expect(await slow).toBe(false);
  expect(secrets.csrfKey).toEqual(newer.csrfKey);
});

describe('one that cannot be opened', () => {
  const spoil = (id: string) => database.pool.query(`UPDATE server_secrets SET sealed = '\\x00' WHERE id = $1`, [id]);

  async function withNext(secrets: Awaited<ReturnType<typeof openSecrets>>) {
    const id = 'dpop-nonce-next';
    const sealed = keyEncryption.seal(randomBytes(32), JSON.stringify(['server_secrets', id, 'dpop-nonce', 1]));
    await database.pool.query(
      `INSERT INTO server_secrets (id, purpose, sealed, wrapped_data_key, kek_id, next_for)
       VALUES ($1, 'dpop-nonce', $2, $3, $4, 'dpop-nonce')`,
      [id, sealed.ciphertext, sealed.wrappedDataKey, sealed.kekId],
    );
    await secrets.reload();
    return id;
  }

  test('is left out with a warning, once, when it is not the current one', async () => {
    const told: string[] = [];
    const secrets = await openSecrets({ database, keyEncryption, warn: (text) => told.push(text) });
    const [current] = secrets.dpopNonceSecrets;
    const id = await withNext(secrets);
    expect(secrets.dpopNonceSecrets).toHaveLength(2);
    await spoil(id);
    for (let time = 0; time < 2; time++) await secrets.reload();
    expect(secrets.dpopNonceSecrets).toEqual([current]);
    expect(told).toEqual([expect.stringContaining(`Secret ${id} in the database cannot be opened`)]);
    expect((await openSecrets({ database, keyEncryption })).dpopNonceSecrets).toEqual([current]);
  });

  test('stops a reload, and leaves everything as it was, when it is the current one', async () => {
    const secrets = await openSecrets({ database, keyEncryption });
    await database.pool.query(`UPDATE server_secrets SET sealed = '\\x00' WHERE purpose = 'csrf'`);
    const before = valuesOf(secrets);
    await expect(secrets.reload()).rejects.toThrow(/Secret csrf-.* cannot be opened/);
    expect(valuesOf(secrets)).toEqual(before);
  });
});

test('one that was taken out is made anew at the next start, and the others stay', async () => {
  const before = await openSecrets({ database, keyEncryption });
  await database.pool.query(`DELETE FROM server_secrets WHERE purpose = 'csrf'`);
  const after = await openSecrets({ database, keyEncryption });
  expect(after.csrfKey).not.toEqual(before.csrfKey);
  expect(after.refreshSuccessorKey).toEqual(before.refreshSuccessorKey);
});

test('S-070 no secret is in the database', async () => {
  const secrets = await openSecrets({ database, keyEncryption });
  const { rows } = await database.pool.query('SELECT server_secrets::text AS row FROM server_secrets');
  const dump = rows.map(({ row }) => row).join('\n');
  for (const value of valuesOf(secrets)) {
    expect(dump).not.toContain(value);
    expect(dump).not.toContain(Buffer.from(value, 'base64url').toString('hex'));
  }
});
