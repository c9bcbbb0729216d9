import type { Pool } from 'pg';
import { preparedStatement } from '../platform/database/prepared-statement.ts';
import { sha256 } from '../platform/sha256.ts';

/** Seconds. */
const LIFETIME = 10 * 60;

/** None of its own means that nobody ever disabled the connection. */
const VERSION = `coalesce((SELECT c.version FROM upstream_connections c WHERE c.provider = $2), 0)`;
const DISABLED = `EXISTS (SELECT 1 FROM upstream_connections c WHERE c.provider = $2 AND c.disabled_at IS NOT NULL)`;

const ADD = `INSERT INTO upstream_attempts (id, provider, interaction, sealed, expires_at)
  SELECT $1::bytea, $2::text, $3::bytea, $4::bytea, now() + interval '${LIFETIME} seconds' WHERE NOT ${DISABLED} RETURNING 1`;

/** Of two that come at once the later one waits, and then finds it consumed. */
const CONSUME = `UPDATE upstream_attempts SET consumed_at = now()
  WHERE id = $1 AND provider = $2 AND interaction = $3 AND consumed_at IS NULL AND expires_at > now() AND NOT ${DISABLED}
  RETURNING sealed, ${VERSION} AS version`;

/** $1 is what it was when the attempt was consumed. */
const IS_THE_SAME = `SELECT 1 WHERE ${VERSION} = $1::int AND NOT ${DISABLED}`;

const REFUSAL = `SELECT CASE WHEN provider <> $2 OR interaction <> $3 THEN 'foreign' WHEN consumed_at IS NOT NULL THEN 'spent'
    WHEN ${DISABLED} THEN 'disabled' WHEN expires_at <= now() THEN 'expired' END AS kind
  FROM upstream_attempts WHERE id = $1`;

export interface AttemptKey {
  state: string;
  provider: string;
  interaction: string;
  /** What only this browser has, and nobody can give to another one: cookies of an interaction can be planted. */
  browser: string;
}

export interface Consumed {
  sealed: Buffer;
  /** Of the connection, which grows each time that it is disabled or enabled. */
  version: number;
}

export type Refusal = 'foreign' | 'spent' | 'disabled' | 'expired';

export interface AttemptStore {
  /** False when the connection is disabled. */
  add(key: AttemptKey, sealed: Buffer): Promise<boolean>;
  find(state: string): Promise<Buffer | undefined>;
  /** Why it cannot be consumed. Undefined when it can. */
  refusal(key: AttemptKey): Promise<Refusal | undefined>;
  /** At most one caller gets it, and only while the connection is enabled. */
  consume(key: AttemptKey): Promise<Consumed | { kind: Refusal }>;
  /** Whether the connection is enabled, and was all the time since. S-100 */
  isStillOpen(provider: string, version: number): Promise<boolean>;
}

/** Attempts by the SHA-256 of their state: who reads the table can end none of them. S-095 */
export function createAttemptStore(pool: Pool): AttemptStore {
  const add = preparedStatement(pool, 'upstream_attempts.add', ADD);
  const find = preparedStatement<{ sealed: Buffer }>(
    pool,
    'upstream_attempts.find',
    'SELECT sealed FROM upstream_attempts WHERE id = $1',
  );
  const consume = preparedStatement<Consumed>(pool, 'upstream_attempts.consume', CONSUME);
  const isTheSame = preparedStatement(pool, 'upstream_attempts.connection', IS_THE_SAME);
  const refusal = preparedStatement<{ kind: Refusal | null }>(pool, 'upstream_attempts.refusal', REFUSAL);

  const columnsOf = ({ state, provider, interaction, browser }: AttemptKey) => [
    idOf(state),
    provider,
    sha256(`interaction:${interaction}:${browser}`),
  ];

  async function refusalOf(key: AttemptKey): Promise<Refusal | undefined> {
    const [row] = await refusal(columnsOf(key));
    return row ? (row.kind ?? undefined) : 'foreign';
  }

  return {
    add: async (key, sealed) => (await add([...columnsOf(key), sealed])).length === 1,
    find: async (state) => (await find([idOf(state)]))[0]?.sealed,
    refusal: refusalOf,
    isStillOpen: async (provider, version) => (await isTheSame([version, provider])).length === 1,
    async consume(key) {
      const [consumed] = await consume(columnsOf(key));
      if (consumed) return consumed;
      // Nothing stands in its way any longer when the connection was enabled between the two statements.
      return { kind: (await refusalOf(key)) ?? 'disabled' };
    },
  };
}

function idOf(state: string): Buffer {
  return sha256(`attempt:${state}`);
}
