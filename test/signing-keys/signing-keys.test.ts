import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { calculateJwkThumbprint, compactVerify } from 'jose';
import type { Database } from '../../src/platform/database/database.ts';
import type { KeyEncryption } from '../../src/signing-keys/envelope.ts';
import { createKeyEncryption } from '../../src/signing-keys/envelope.ts';
import { ALGORITHMS } from '../../src/signing-keys/key-pair.ts';
import type { SigningKeySet } from '../../src/signing-keys/key-set.ts';
import { openSecrets } from '../../src/signing-keys/server-secrets.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { anotherNode } from './another-node.ts';
import { createNodes } from './key-nodes.ts';

const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'];

/** How private keys in PKCS#8 begin after their length (RFC 5208), in hexadecimal: RSA, elliptic curve, Ed25519. */
const PRIVATE_MARKS = ['020100300d06092a864886f70d010101', '020100301306072a8648ce3d0201', '020100300506032b6570'];

const base64url = (text: string) => Buffer.from(text).toString('base64url');
const kidsOf = (set: SigningKeySet) => set.keys.map(({ kid }) => kid);

let database: TestDatabase;
let keys: SigningKeySet;
const keyEncryption = createKeyEncryption(randomBytes(32));
const nodes = createNodes(keyEncryption);

/** As a service starts; spares come later. */
async function startOn(node: Database, encryption: KeyEncryption = keyEncryption): Promise<SigningKeySet> {
  const more = { keyEncryption: encryption, algorithms: ALGORITHMS };
  const view = await nodes.viewOn(node, nodes.storeOn(node, more), { keyEncryption: encryption });
  await view.close();
  return view.current();
}

beforeAll(async () => {
  database = await openTestDatabase();
  keys = await startOn(database);
}, 120_000);
afterAll(async () => {
  await nodes.close();
  await database.close();
});

test('S-082 the first start makes one key for each algorithm: RSA of 3072 bits, P-256, Ed25519', () => {
  const jwks = keys.keys.map(({ publicJwk }) => publicJwk);
  expect(jwks.map(({ alg }) => alg)).toEqual(ALGORITHMS);
  expect(jwks.map(({ kty, crv }) => crv ?? kty)).toEqual(['RSA', 'RSA', 'P-256', 'Ed25519']);
  for (const { n } of jwks) if (n) expect(Buffer.from(n, 'base64url')).toHaveLength(3072 / 8);
});

test('S-092 every published key has a kid of its own, a use and an algorithm, and no private member', async () => {
  expect(new Set(keys.keys.map(({ kid }) => kid)).size).toBe(ALGORITHMS.length);
  for (const { kid, algorithm, publicJwk } of keys.keys) {
    expect(publicJwk).toMatchObject({ use: 'sig', alg: algorithm, kid });
    expect(kid).toBe(await calculateJwkThumbprint(publicJwk));
    expect(Object.keys(publicJwk).filter((member) => PRIVATE.includes(member))).toEqual([]);
  }
});

test('what each key signs, its public half verifies', async () => {
  for (const { algorithm, publicJwk, sign } of keys.keys) {
    const input = `${base64url(JSON.stringify({ alg: algorithm }))}.${base64url('text')}`;
    const signature = (await sign!(Buffer.from(input))).toString('base64url');
    expect((await compactVerify(`${input}.${signature}`, publicJwk)).protectedHeader.alg).toBe(algorithm);
  }
});

test('later starts find the same keys', async () => {
  expect(kidsOf(await startOn(database))).toEqual(kidsOf(keys));
});

test('S-082 the private halves are not in the database', async () => {
  const { rows } = await database.pool.query('SELECT signing_keys::text AS row FROM signing_keys');
  const dump = rows.map(({ row }) => row).join('\n');
  expect(dump).toContain(keys.keys[0]!.kid);
  for (const mark of PRIVATE_MARKS) expect(dump).not.toContain(mark);
});

describe('a start is refused and changes nothing', () => {
  afterEach(async () => {
    await database.pool.query('TRUNCATE signing_keys');
    await database.pool.query('ALTER TABLE signing_keys ENABLE TRIGGER signing_keys_forward');
    await database.pool.query('INSERT INTO signing_keys SELECT * FROM saved_keys');
    await database.pool.query('DROP TABLE saved_keys');
  });
  const saved = () => database.pool.query('CREATE TABLE saved_keys AS SELECT * FROM signing_keys');

  test('with another key-encryption key, named in the message', async () => {
    await saved();
    const stranger = createKeyEncryption(randomBytes(32));
    await expect(startOn(database, stranger)).rejects.toThrow(new RegExp(`${keyEncryption.kekId}.*${stranger.kekId}`));
    // Even where that node would have something to make.
    await expect(openSecrets({ database, keyEncryption: stranger })).rejects.toThrow(/wrong key-encryption key/);
    expect((await database.pool.query('SELECT 1 FROM server_secrets')).rows).toEqual([]);
  });

  test('when the private halves of two keys were exchanged', async () => {
    await saved();
    await database.pool.query(
      `UPDATE signing_keys c SET private_key = o.private_key, wrapped_data_key = o.wrapped_data_key
       FROM signing_keys o WHERE c.algorithm = 'RS256' AND o.algorithm = 'PS256'`,
    );
    await expect(startOn(database)).rejects.toThrow(/cannot be opened/);
  });

  test('when a public half was replaced', async () => {
    await saved();
    // The database itself refuses that to everybody else.
    await database.pool.query('ALTER TABLE signing_keys DISABLE TRIGGER signing_keys_forward');
    await database.pool.query(
      `UPDATE signing_keys c SET public_jwk = o.public_jwk FROM signing_keys o WHERE c.algorithm = 'RS256' AND o.algorithm = 'PS256'`,
    );
    await expect(startOn(database)).rejects.toThrow(/does not sign what its public half verifies/);
  });
});

test('S-126 nodes that start at once on an empty database end up with one and the same set', async () => {
  const fresh = await openTestDatabase();
  const second = await anotherNode(fresh);
  await Promise.all([startOn(fresh), startOn(second)]);
  // Whoever came second may have made spares of what it made.
  const [first, other] = [await startOn(fresh), await startOn(second)];
  expect(kidsOf(other)).toEqual(kidsOf(first));
  expect(other.keys.filter(({ sign }) => sign)).toHaveLength(ALGORITHMS.length);
  await fresh.close();
}, 120_000);
