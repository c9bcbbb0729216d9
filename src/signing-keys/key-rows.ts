import type { JWK } from 'jose';
import type { Pool } from 'pg';
import type { Transaction } from '../audit/audit.ts';
import type { Sealed } from './envelope.ts';
import type { Algorithm } from './key-pair.ts';
import type { KeyRecord, KeyState, NewKey } from './key-record.ts';

/** A row with what is sealed; nothing is once the private half was erased. */
export interface StoredKey extends KeyRecord {
  publicJwk: JWK;
  sealed?: Sealed;
}

/** All rows as they were at one moment. Times are the database's, in milliseconds since 1970. */
export interface StoredKeys {
  version: number;
  /** Of two readings it is the same only if nothing changed between them, also when a database went back and counted up anew. */
  mark: string;
  now: number;
  keys: StoredKey[];
}

/** A key for a row to come. */
export interface MadeKey extends NewKey {
  publicJwk: JWK;
  sealed: Sealed;
}

interface Row {
  version: number;
  mark: string;
  now: number;
  kid: string | null;
  algorithm: Algorithm;
  state: KeyState;
  publicJwk: JWK;
  privateKey: Uint8Array | null;
  wrappedDataKey: Uint8Array | null;
  kekId: string;
  tokenLifetime: number;
  activatedEarly: boolean;
  held: boolean;
  revocationReason: string | null;
  times: Record<(typeof TIMES)[number], number | null>;
}

const TIMES = ['created', 'published', 'activated', 'retired', 'archived', 'destroyed', 'revoked'] as const;

const millisecondsOf = (moment: string) => `floor(extract(epoch FROM ${moment}) * 1000)::float8`;

/** The moment of the last change, and the place of every key and secret: a clock that jumped may say the same moment twice. */
const MARK = `
  concat_ws('/', v.version, extract(epoch FROM v.changed_at),
    md5((SELECT string_agg(concat_ws(' ', kid, state), ',' ORDER BY kid) FROM signing_keys)),
    md5((SELECT string_agg(concat_ws(' ', id, 'for', current_for, 'next', next_for), ',' ORDER BY id) FROM server_secrets)))`;

/** One statement, so that version, time and rows belong together. */
const READ = `
  SELECT v.version, ${MARK} AS mark, ${millisecondsOf('clock_timestamp()')} AS now, k.kid, k.algorithm, k.state::text AS state,
    k.public_jwk AS "publicJwk", k.private_key AS "privateKey", k.wrapped_data_key AS "wrappedDataKey", k.kek_id AS "kekId",
    k.token_lifetime AS "tokenLifetime", k.activated_early AS "activatedEarly", k.held,
    k.revocation_reason AS "revocationReason",
    json_build_object(${TIMES.map((name) => `'${name}', ${millisecondsOf(`k.${name}_at`)}`).join(', ')}) AS times
  FROM key_set_version v LEFT JOIN signing_keys k ON k.kid IS NOT NULL`;

const READ_VERSION = `SELECT v.version, ${MARK} AS mark, ${millisecondsOf('clock_timestamp()')} AS now FROM key_set_version v`;

export async function readKeys(pool: Pool): Promise<StoredKeys> {
  return storedKeys((await pool.query<Row>(READ)).rows);
}

/** The version alone, for those who have the rows of one. */
export async function readVersion(pool: Pool): Promise<Omit<StoredKeys, 'keys'>> {
  const { rows } = await pool.query<Omit<StoredKeys, 'keys'>>(READ_VERSION);
  return rows[0]!;
}

export async function readKeysWithin(tx: Transaction): Promise<StoredKeys> {
  return storedKeys(await tx.$queryRawUnsafe<Row[]>(READ));
}

function storedKeys(rows: Row[]): StoredKeys {
  const { version, mark, now } = rows[0]!;
  return { version, mark, now, keys: rows.flatMap((row) => (row.kid === null ? [] : [storedKey(row.kid, row)])) };
}

function storedKey(kid: string, row: Row): StoredKey {
  const { algorithm, state, tokenLifetime, activatedEarly, held, publicJwk, times } = row;
  const { privateKey, wrappedDataKey, kekId, revocationReason } = row;
  const sealed = privateKey &&
    wrappedDataKey && { ciphertext: Buffer.from(privateKey), wrappedDataKey: Buffer.from(wrappedDataKey), kekId };
  const moments = TIMES.flatMap((name) => (times[name] === null ? [] : [[`${name}At`, times[name]]]));
  return {
    ...{ kid, algorithm, state, tokenLifetime, activatedEarly, held, publicJwk },
    hasPrivateHalf: privateKey !== null,
    ...(sealed && { sealed }),
    ...(revocationReason !== null && { revocationReason }),
    ...(Object.fromEntries(moments) as Pick<KeyRecord, 'createdAt'>),
  };
}

const moment = (place: number) => `to_timestamp($${place}::float8 / 1000)`;

const UPDATE = `
  UPDATE signing_keys SET state = $2::signing_key_state, active_for = $3, published_for = $4,
    private_key = CASE WHEN $5 THEN private_key END, wrapped_data_key = CASE WHEN $5 THEN wrapped_data_key END,
    token_lifetime = $6, activated_early = $7, held = $8, revocation_reason = $9,
    ${TIMES.map((name, index) => `${name}_at = ${moment(10 + index)}`).join(', ')}
  WHERE kid = $1`;

const INSERT = `
  INSERT INTO signing_keys (kid, state, active_for, published_for, private_key, wrapped_data_key, token_lifetime, activated_early,
    held, revocation_reason, ${TIMES.map((name) => `${name}_at`).join(', ')}, algorithm, public_jwk, kek_id)
  VALUES ($1, $2::signing_key_state, $3, $4, CASE WHEN $5 THEN $17::bytea END, CASE WHEN $5 THEN $18::bytea END, $6, $7,
    $8, $9, ${TIMES.map((_, index) => moment(10 + index)).join(', ')}, $19, $20::jsonb, $21)`;

/** Who gives up the place of an algorithm's only active or published key has to do so before another can take it. */
const WRITTEN_LAST: readonly KeyState[] = ['active', 'published'];

export async function writeKeys(
  tx: Transaction,
  keys: readonly KeyRecord[],
  made: ReadonlyMap<string, MadeKey>,
): Promise<void> {
  const inOrder = [...keys].sort((a, b) => WRITTEN_LAST.indexOf(a.state) - WRITTEN_LAST.indexOf(b.state));
  for (const key of inOrder) {
    const fresh = made.get(key.kid);
    if (!fresh) {
      await tx.$executeRawUnsafe(UPDATE, ...valuesOf(key));
      continue;
    }
    const { publicJwk, sealed } = fresh;
    const own = [sealed.ciphertext, sealed.wrappedDataKey, key.algorithm, JSON.stringify(publicJwk), sealed.kekId];
    await tx.$executeRawUnsafe(INSERT, ...valuesOf(key), ...own);
  }
}

function valuesOf(key: KeyRecord): unknown[] {
  const { kid, algorithm, state, hasPrivateHalf, tokenLifetime, activatedEarly, held, revocationReason = null } = key;
  const times = TIMES.map((name) => key[`${name}At`] ?? null);
  const [activeFor, publishedFor] = WRITTEN_LAST.map((one) => (one === state ? algorithm : null));
  return [
    ...[kid, state, activeFor, publishedFor, hasPrivateHalf],
    ...[Math.ceil(tokenLifetime), activatedEarly, held, revocationReason],
    ...times,
  ];
}

/**
 * Counts the version up, unless somebody else did, or the moment that the change is dated to is too long ago: both are told by false.
 * The last statement before the commit. Other nodes are told by it.
 */
export async function bumpVersion(tx: Transaction, seen: StoredKeys, bound: number): Promise<boolean> {
  const changed = await tx.$executeRawUnsafe(
    `WITH bumped AS (
       UPDATE key_set_version SET version = version + 1, changed_at = clock_timestamp()
       WHERE version = $1 AND ${millisecondsOf('clock_timestamp()')} - $2::float8 < $3::float8 RETURNING version)
     SELECT pg_notify('${CHANNEL}', version::text) FROM bumped`,
    seen.version,
    seen.now,
    1000 * bound,
  );
  return changed === 1;
}

/** Where a change is announced, with the new version. */
export const CHANNEL = 'daemun_keys';
