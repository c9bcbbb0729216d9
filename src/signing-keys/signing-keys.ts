import type { JWK } from 'jose';
import type { Pool } from 'pg';
import { type KeyEncryption, rowIdentity, type Sealed } from './envelope.ts';
import { assertSameKey } from './key-encryption.ts';
import { ALGORITHMS, type Algorithm, assertSigns, makeKeyPair, type SigningKeyPair } from './key-pair.ts';
import { openRow, whileMakingSecrets } from './sealed-store.ts';

/** A key set is a value: another one means another engine. */
export interface SigningKeySet {
  /** With private halves, in the engine's order: the first of an algorithm signs. */
  jwks: JWK[];
  publicJwks: { keys: JWK[] };
}

export interface SigningKeysOptions {
  database: { pool: Pool };
  keyEncryption: KeyEncryption;
}

interface Row extends Sealed {
  kid: string;
  algorithm: Algorithm;
  publicJwk: JWK;
}

/**
 * The active keys; at first start, the ones just made. Two nodes that start at once may both make some, and keep one set.
 * @throws KeyEncryptionError when the key-encryption key is not the one they were sealed under
 */
export async function openSigningKeys({ database, keyEncryption }: SigningKeysOptions): Promise<SigningKeySet> {
  let rows = await readActive(database.pool);
  const missing = ALGORITHMS.filter((algorithm) => !rows.some((row) => row.algorithm === algorithm));
  if (missing.length > 0) {
    // Made before the lock is taken, which would hold up everything else that starts meanwhile.
    const made = await Promise.all(missing.map(makeKeyPair));
    rows = await whileMakingSecrets(database.pool, keyEncryption, async (client) => {
      for (const pair of made) await insertActive(client, keyEncryption, pair);
      return readActive(client);
    });
  }
  assertSameKey(
    keyEncryption.kekId,
    rows.map(({ kekId }) => kekId),
  );
  const pairs = await Promise.all(rows.map((row) => openPair(keyEncryption, row)));
  pairs.sort((a, b) => ALGORITHMS.indexOf(a.algorithm) - ALGORITHMS.indexOf(b.algorithm));
  return {
    jwks: pairs.map(({ privateJwk }) => privateJwk),
    publicJwks: { keys: pairs.map(({ publicJwk }) => publicJwk) },
  };
}

type Queryable = Pick<Pool, 'query'> | { query: Pool['query'] };

async function readActive(database: Queryable): Promise<Row[]> {
  const { rows } = await database.query<Row>(
    `SELECT kid, algorithm, public_jwk AS "publicJwk", private_key AS ciphertext, wrapped_data_key AS "wrappedDataKey",
       kek_id AS "kekId"
     FROM signing_keys WHERE state = 'active' AND algorithm = ANY($1)`,
    [ALGORITHMS],
  );
  return rows;
}

async function insertActive(client: Queryable, keyEncryption: KeyEncryption, pair: SigningKeyPair): Promise<void> {
  const { kid, algorithm, publicJwk, privateJwk } = pair;
  const sealed = keyEncryption.seal(Buffer.from(JSON.stringify(privateJwk)), identityOf(kid));
  await client.query(
    `INSERT INTO signing_keys
       (kid, algorithm, state, public_jwk, private_key, wrapped_data_key, kek_id, active_for, published_at, activated_at)
     VALUES ($1, $2, 'active', $3, $4, $5, $6, $2, now(), now()) ON CONFLICT (active_for) DO NOTHING`,
    [kid, algorithm, publicJwk, sealed.ciphertext, sealed.wrappedDataKey, sealed.kekId],
  );
}

async function openPair(keyEncryption: KeyEncryption, row: Row): Promise<SigningKeyPair> {
  const { kid, algorithm, publicJwk } = row;
  const name = `Signing key ${kid}`;
  const privateJwk: JWK = openRow(name, () => JSON.parse(keyEncryption.open(row, identityOf(kid)).toString()));
  const pair = { kid, algorithm, publicJwk, privateJwk };
  await assertSigns(pair).catch((cause) => {
    throw new Error(`${name} in the database does not sign what its public half verifies. Restore it from a backup.`, {
      cause,
    });
  });
  return pair;
}

function identityOf(kid: string): string {
  return rowIdentity('signing_keys', kid, 'sig');
}
