import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createKeyEncryption } from '../../src/signing-keys/envelope.ts';
import type { KeyView } from '../../src/signing-keys/key-view.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { createNodes, rotateNow, signerOf } from './key-nodes.ts';

const by = { actor: 'test' };
const keyEncryption = createKeyEncryption(randomBytes(32));
const input = Buffer.from(`${Buffer.from('{"alg":"ES256"}').toString('base64url')}.dGV4dA`);
/** The clock of every node, which stands still. */
const now = () => 0;

let database: TestDatabase;
let nodes: ReturnType<typeof createNodes>;
beforeEach(async () => {
  database = await openTestDatabase();
  nodes = createNodes(keyEncryption);
});
afterEach(async () => {
  await nodes.close();
  await database.close();
});

/** Takes the state of now, and gives back what puts the database into it again. */
async function remember(): Promise<() => Promise<void>> {
  const { version, keys } = await nodes.storeOn(database).read();
  return async () => {
    const client = await database.pool.connect();
    // Nobody sees half of it.
    await client.query('BEGIN');
    // The rules of the rows are for those who go forward.
    await client.query('ALTER TABLE signing_keys DISABLE TRIGGER USER');
    await client.query(
      `UPDATE signing_keys SET state = 'staged', active_for = NULL, published_for = NULL WHERE state <> 'revoked'`,
    );
    await client.query('DELETE FROM signing_keys WHERE NOT kid = ANY($1)', [keys.map(({ kid }) => kid)]);
    for (const { kid, state, sealed } of keys) {
      await client.query(
        `UPDATE signing_keys SET state = $2::signing_key_state, active_for = CASE WHEN $2 = 'active' THEN algorithm END,
           published_for = CASE WHEN $2 = 'published' THEN algorithm END, private_key = $3, wrapped_data_key = $4
         WHERE kid = $1`,
        [kid, state, sealed?.ciphertext, sealed?.wrappedDataKey],
      );
    }
    await client.query('UPDATE key_set_version SET version = $1', [version]);
    await client.query('ALTER TABLE signing_keys ENABLE TRIGGER USER');
    await client.query('COMMIT');
    client.release();
  };
}

/** Not the look that is under way: it may have begun before. */
async function lookAfterwards({ refresh }: KeyView): Promise<void> {
  await refresh();
  await refresh();
}

test('a database that went back to a lower version is followed, and nobody signs with what it lost', async () => {
  const store = await nodes.withSpares(database);
  const goBack = await remember();
  const { before, after } = await rotateNow(store);
  const view = await nodes.viewOn(database, store, { now });
  const told: number[] = [];
  view.onChange(async ({ version }) => void told.push(version));
  const lost = signerOf(view.current());
  expect([lost.kid, view.current().version]).toEqual([after, 4]);
  await goBack();
  await lookAfterwards(view);
  expect([signerOf(view.current()).kid, view.current().version, told]).toEqual([before, 3, [3]]);
  expect(Buffer.isBuffer(signerOf(view.current()).sign(input))).toBe(true);
  await expect((async () => lost.sign(input))()).rejects.toMatchObject({ code: 'unavailable' });
  expect(view.isReady()).toEqual({ ready: true });
});

test('a database that went back and counted up to the same version with other content is followed too', async () => {
  const store = await nodes.withSpares(database);
  const goBack = await remember();
  const { after } = await rotateNow(store);
  const view = await nodes.viewOn(database, store, { now });
  const lost = signerOf(view.current());
  const told: number[] = [];
  view.onChange(async ({ version }) => void told.push(version));
  await goBack();
  const other = await rotateNow(store, 'EdDSA');
  await lookAfterwards(view);
  expect([view.current().version, told.at(-1)]).toEqual([4, 4]);
  expect(signerOf(view.current(), 'EdDSA').kid).toBe(other.after);
  expect(signerOf(view.current()).kid).not.toBe(after);
  await expect((async () => lost.sign(input))()).rejects.toMatchObject({ code: 'unavailable' });
});

test('a database that went back before a revocation lets the key sign that it calls active, since a revocation that is lost is given anew', async () => {
  const store = await nodes.withSpares(database);
  const goBack = await remember();
  const view = await nodes.viewOn(database, store, { now });
  const { kid } = signerOf(view.current());
  await store.revoke({ kid, reason: 'test' }, by);
  await lookAfterwards(view);
  expect(signerOf(view.current()).kid).not.toBe(kid);
  await goBack();
  await lookAfterwards(view);
  expect(signerOf(view.current()).kid).toBe(kid);
  expect(Buffer.isBuffer(signerOf(view.current()).sign(input))).toBe(true);
});
