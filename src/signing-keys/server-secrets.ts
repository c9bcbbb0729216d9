import { randomBytes } from 'node:crypto';
import type { Pool } from 'pg';
import { type KeyEncryption, rowIdentity, type Sealed } from './envelope.ts';
import { assertSameKey } from './key-encryption.ts';
import { openRow, whileMakingSecrets } from './sealed-store.ts';

const PURPOSES = ['cookie-signature', 'password-pepper', 'dpop-nonce', 'refresh-successor', 'csrf'] as const;
type Purpose = (typeof PURPOSES)[number];

const SECRET_LENGTH = 32;

/** Made once and shared by all nodes: a reader of the database has none of them. */
export interface ServerSecrets {
  /** The first signs, all verify. */
  cookieKeys: string[];
  peppers: { current: Pepper; byId(id: string): Buffer | undefined };
  dpopNonceSecret: Buffer;
  refreshSuccessorKey: Buffer;
  csrfKey: Buffer;
}

export interface Pepper {
  id: string;
  key: Buffer;
}

interface Row extends Sealed {
  id: string;
  purpose: Purpose;
}

/** @throws KeyEncryptionError when the key-encryption key is not the one they were sealed under */
export async function openSecrets({ database, keyEncryption }: SecretsOptions): Promise<ServerSecrets> {
  let rows = await readSecrets(database.pool);
  const missing = PURPOSES.filter((purpose) => !rows.some((row) => row.purpose === purpose));
  if (missing.length > 0) rows = await makeSecrets(database.pool, keyEncryption, missing);
  assertSameKey(
    keyEncryption.kekId,
    rows.map(({ kekId }) => kekId),
  );

  const secrets = rows.map((row) => ({ ...row, value: openRow(`Secret ${row.id}`, () => unseal(keyEncryption, row)) }));
  const of = (wanted: Purpose) => secrets.filter(({ purpose }) => purpose === wanted);
  const currentOf = (purpose: Purpose) => of(purpose)[0]!;
  const pepper = currentOf('password-pepper');
  const peppers = new Map(of('password-pepper').map(({ id, value }) => [id, value]));
  return {
    cookieKeys: of('cookie-signature').map(({ value }) => value.toString('base64url')),
    peppers: { current: { id: pepper.id, key: pepper.value }, byId: (id) => peppers.get(id) },
    dpopNonceSecret: currentOf('dpop-nonce').value,
    refreshSuccessorKey: currentOf('refresh-successor').value,
    csrfKey: currentOf('csrf').value,
  };
}

export interface SecretsOptions {
  database: { pool: Pool };
  keyEncryption: KeyEncryption;
}

/** The current one of each purpose first. */
const READ = `
  SELECT id, purpose, sealed AS ciphertext, wrapped_data_key AS "wrappedDataKey", kek_id AS "kekId"
  FROM server_secrets ORDER BY current_for IS NULL, created_at DESC`;

async function readSecrets(database: Pick<Pool, 'query'>): Promise<Row[]> {
  return (await database.query<Row>(READ)).rows;
}

function makeSecrets(pool: Pool, keyEncryption: KeyEncryption, missing: Purpose[]): Promise<Row[]> {
  return whileMakingSecrets(pool, keyEncryption, async (client) => {
    for (const purpose of missing) {
      const id = `${purpose}-${randomBytes(4).toString('hex')}`;
      const sealed = keyEncryption.seal(randomBytes(SECRET_LENGTH), identityOf({ id, purpose }));
      await client.query(
        `INSERT INTO server_secrets (id, purpose, sealed, wrapped_data_key, kek_id, current_for)
         VALUES ($1, $2, $3, $4, $5, $2) ON CONFLICT (current_for) DO NOTHING`,
        [id, purpose, sealed.ciphertext, sealed.wrappedDataKey, sealed.kekId],
      );
    }
    return readSecrets(client as unknown as Pick<Pool, 'query'>);
  });
}

function unseal(keyEncryption: KeyEncryption, row: Row): Buffer {
  return keyEncryption.open(row, identityOf(row));
}

function identityOf({ id, purpose }: Pick<Row, 'id' | 'purpose'>): string {
  return rowIdentity('server_secrets', id, purpose);
}
