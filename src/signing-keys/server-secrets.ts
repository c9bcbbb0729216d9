import { randomBytes } from 'node:crypto';
import type { Pool } from 'pg';
import type { KeyEncryption, Sealed } from './envelope.ts';
import { assertCanOpen } from './key-encryption.ts';
import { openRow, whileMakingSecrets } from './sealed-store.ts';
import { serverSecretIdentity } from './sealed-table.ts';

const PURPOSES = ['cookie-signature', 'password-pepper', 'dpop-nonce', 'refresh-successor', 'csrf'] as const;
type Purpose = (typeof PURPOSES)[number];

export const SECRET_LENGTH = 32;

/** Made once and shared by all nodes: a reader of the database has none of them. What is read here is what is so now. */
export interface ServerSecrets {
  /** The first signs, all verify: also the next one, which another node may use already. */
  readonly cookieKeys: string[];
  readonly peppers: { readonly current: Pepper; byId(id: string): Buffer | undefined; ids(): string[] };
  /** The first makes nonces, all are accepted: also the next one, which another node may use already. */
  readonly dpopNonceSecrets: readonly Buffer[];
  readonly refreshSuccessorKey: Buffer;
  readonly csrfKey: Buffer;
  /**
   * Follows the database; of two readings the one that began later counts. True when anything is different.
   * @throws KeyEncryptionError when a key-encryption key is missing; everything stays as it was
   */
  reload(): Promise<boolean>;
}

export interface Pepper {
  id: string;
  key: Buffer;
}

interface Row extends Sealed {
  id: string;
  purpose: Purpose;
  isCurrent: boolean;
}

/** @throws KeyEncryptionError when the key-encryption key is not the one they were sealed under */
export async function openSecrets({ database, keyEncryption, warn }: SecretsOptions): Promise<ServerSecrets> {
  const { pool } = database;
  const readings = { begun: 0, newest: 0 };
  const told = new Set<string>();
  let rows = await readSecrets(pool);
  const missing = PURPOSES.filter((purpose) => !rows.some((row) => row.purpose === purpose && row.isCurrent));
  if (missing.length > 0) rows = await makeSecrets(pool, keyEncryption, missing);
  let opened = open(rows);

  function open(found: readonly Row[]) {
    const next = openAll(found, keyEncryption);
    for (const problem of next.problems) if (!told.has(problem)) warn?.(problem);
    for (const problem of next.problems) told.add(problem);
    return next;
  }

  return {
    get cookieKeys() {
      return opened.cookieKeys;
    },
    peppers: {
      get current() {
        return opened.pepper;
      },
      byId: (id) => opened.peppers.get(id),
      ids: () => [...opened.peppers.keys()],
    },
    get dpopNonceSecrets() {
      return opened.dpopNonceSecrets;
    },
    get refreshSuccessorKey() {
      return opened.refreshSuccessorKey;
    },
    get csrfKey() {
      return opened.csrfKey;
    },
    async reload() {
      readings.begun += 1;
      const own = readings.begun;
      const found = await readSecrets(pool);
      // Its answer was under way for so long that a later one is here.
      if (own < readings.newest) return false;
      const next = open(found);
      readings.newest = own;
      const isDifferent = next.names !== opened.names;
      opened = next;
      return isDifferent;
    },
  };
}

function openAll(rows: readonly Row[], keyEncryption: KeyEncryption) {
  assertCanOpen(
    keyEncryption.kekIds,
    rows.map(({ kekId }) => kekId),
  );
  const problems: string[] = [];
  const secrets = rows.flatMap((row) => {
    try {
      return [{ ...row, value: openRow(`Secret ${row.id}`, () => unseal(keyEncryption, row)) }];
    } catch (error) {
      // Without one that is not in use yet, or not any more, only what was made with it is refused.
      if (row.isCurrent) throw error;
      problems.push((error as Error).message);
      return [];
    }
  });
  const of = (wanted: Purpose) => secrets.filter(({ purpose }) => purpose === wanted);
  const currentOf = (purpose: Purpose) => of(purpose)[0]!;
  const pepper = currentOf('password-pepper');
  return {
    problems,
    /** What is there and in which place. */
    names: secrets.map(({ id, isCurrent }) => `${id}${isCurrent ? '!' : ''}`).join(),
    cookieKeys: of('cookie-signature').map(({ value }) => value.toString('base64url')),
    pepper: { id: pepper.id, key: pepper.value },
    peppers: new Map(of('password-pepper').map(({ id, value }) => [id, value])),
    dpopNonceSecrets: of('dpop-nonce').map(({ value }) => value),
    refreshSuccessorKey: currentOf('refresh-successor').value,
    csrfKey: currentOf('csrf').value,
  };
}

export interface SecretsOptions {
  database: { pool: Pool };
  keyEncryption: KeyEncryption;
  /** Told once of each row that is left out. */
  warn?: (text: string) => void;
}

/** Of each purpose the current one first, then the next one, then those that were. */
const READ = `
  SELECT id, purpose, current_for IS NOT NULL AS "isCurrent",
    sealed AS ciphertext, wrapped_data_key AS "wrappedDataKey", kek_id AS "kekId"
  FROM server_secrets ORDER BY current_for IS NULL, next_for IS NULL, created_at DESC, id`;

async function readSecrets(database: Pick<Pool, 'query'>): Promise<Row[]> {
  return (await database.query<Row>(READ)).rows;
}

function makeSecrets(pool: Pool, keyEncryption: KeyEncryption, missing: Purpose[]): Promise<Row[]> {
  return whileMakingSecrets(pool, keyEncryption, async (client) => {
    for (const purpose of missing) {
      const id = newSecretId(purpose);
      const sealed = sealSecret(keyEncryption, id, purpose);
      await client.query(
        `INSERT INTO server_secrets (id, purpose, sealed, wrapped_data_key, kek_id, current_for, current_since)
         VALUES ($1, $2, $3, $4, $5, $2, now()) ON CONFLICT (current_for) DO NOTHING`,
        [id, purpose, sealed.ciphertext, sealed.wrappedDataKey, sealed.kekId],
      );
    }
    return readSecrets(client as unknown as Pick<Pool, 'query'>);
  });
}

export function newSecretId(purpose: string): string {
  return `${purpose}-${randomBytes(4).toString('hex')}`;
}

/** A new secret, which nobody has seen. */
export function sealSecret(keyEncryption: KeyEncryption, id: string, purpose: string): Sealed {
  return keyEncryption.seal(randomBytes(SECRET_LENGTH), serverSecretIdentity(id, purpose));
}

function unseal(keyEncryption: KeyEncryption, row: Row): Buffer {
  return keyEncryption.open(row, serverSecretIdentity(row.id, row.purpose));
}
