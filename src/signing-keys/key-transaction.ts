import type { Audit, AuditContext, AuditWriter, Transaction } from '../audit/audit.ts';
import type { Database } from '../platform/database/database.ts';
import { isUnavailable } from '../platform/database/database-errors.ts';
import { retryConflicts } from '../platform/database/statement-batch.ts';
import { unavailable } from '../platform/errors.ts';
import type { KeyEncryption } from './envelope.ts';
import { assertCanOpen, assertNodesCanOpen, findKekIds } from './key-encryption.ts';
import type { Change, KeyEvent, KeyRecord } from './key-record.ts';
import { bumpVersion, type MadeKey, readKeysWithin, type StoredKeys, writeKeys } from './key-rows.ts';
import { extendTokenLifetime } from './life-cycle.ts';
import { KEY_LOCK } from './sealed-store.ts';
import { commitBound, type KeyPolicy } from './timing.ts';

export interface KeyTransactionOptions {
  database: Pick<Database, 'prisma'>;
  keyEncryption: KeyEncryption;
  audit: Audit;
  policy: KeyPolicy;
  /** Seconds: the longest that a token signed by this node may be valid. */
  tokenLifetime: number;
}

/** What happens, if anything does, and what the caller is told. */
export interface Decision<Outcome> {
  outcome: Outcome;
  change?: Change;
}

export interface KeyTransaction<Outcome> {
  decide(stored: StoredKeys): Decision<Outcome>;
  made?: ReadonlyMap<string, MadeKey>;
  by: AuditContext;
  /** What is done too when something changes. */
  alongside?(tx: Transaction): Promise<unknown>;
}

/** Waiting is normal where a whole transaction is under a lock. */
const PATIENCE = { maxWait: 5_000, timeout: 15_000 };

/**
 * One transaction, alone among all nodes: looks, decides by the database's time, writes, records, counts the version up. It is made
 * again when somebody else counted up meanwhile, or when it took so long that the time it decided by is no longer true.
 * @throws AppError unavailable, when it does not get its turn or no answer; then nothing is known of what it did
 */
export function createKeyTransactions({
  database,
  keyEncryption,
  audit,
  policy,
  tokenLifetime,
}: KeyTransactionOptions) {
  // Half of it until the last statement, half until the commit.
  const bound = commitBound(policy) / 2;

  return function commit<Outcome>(order: KeyTransaction<Outcome>): Promise<{ outcome: Outcome; changed: boolean }> {
    const { decide, made = new Map(), by, alongside } = order;

    async function work(tx: Transaction) {
      await waitForTurn(tx);
      if (made.size > 0) await assertSealable(tx);
      // Before the time is read: it may take long.
      await alongside?.(tx);
      const stored = await readKeysWithin(tx);
      const { outcome, change } = decide(stored);
      if (!change) throw new Undone(outcome);
      const keys = withLifetimes(stored.keys, change.keys);
      if (keys.length === 0) return { outcome, changed: false };
      await writeKeys(tx, keys, made);
      for (const event of change.events) await record(audit.in(tx), event, by);
      if (!(await bumpVersion(tx, stored, bound))) throw conflict();
      return { outcome, changed: true };
    }

    return retryConflicts(() => retryOnce(() => database.prisma.$transaction(work, PATIENCE))).catch((error) => {
      if (isUndone<Outcome>(error)) return { outcome: error.outcome, changed: false };
      throw isUnavailable(error) ? unavailable(1, error) : error;
    });
  };

  /**
   * A server that ends a transaction because this process was too slow for it ends the connection too. Whoever decides again sees
   * what is there by then, so it does no harm if the first one was committed all the same.
   */
  async function retryOnce<Result>(transaction: () => Promise<Result>): Promise<Result> {
    try {
      return await transaction();
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      return transaction();
    }
  }

  async function waitForTurn(tx: Transaction): Promise<void> {
    const idle = Math.ceil(1000 * bound);
    await tx.$executeRaw`
      SELECT set_config('lock_timeout', '4s', true), set_config('statement_timeout', '5s', true),
        set_config('idle_in_transaction_session_timeout', ${`${idle}ms`}, true)`;
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(${KEY_LOCK}::bigint)`;
  }

  /** Two nodes with different key-encryption keys cannot leave a mixture, nor keys that the other cannot open. */
  async function assertSealable(tx: Transaction): Promise<void> {
    const query = async (text: string) => ({ rows: await tx.$queryRawUnsafe<unknown[]>(text) });
    assertCanOpen(keyEncryption.kekIds, await findKekIds({ query }));
    await assertNodesCanOpen({ query }, keyEncryption.kekId);
  }

  function withLifetimes(before: readonly KeyRecord[], changed: readonly KeyRecord[]): KeyRecord[] {
    return merge(changed, extendTokenLifetime(merge(before, changed), tokenLifetime));
  }
}

/** The rows with those of `changed` in the place of what they were. */
export function merge(rows: readonly KeyRecord[], changed: readonly KeyRecord[]): KeyRecord[] {
  return [...new Map([...rows, ...changed].map((key) => [key.kid, key])).values()];
}

const WRITERS = {
  staged: 'signingKeyStaged',
  published: 'signingKeyPublished',
  activated: 'signingKeyActivated',
  retired: 'signingKeyRetired',
  erased: 'signingKeyErased',
  archived: 'signingKeyArchived',
  destroyed: 'signingKeyDestroyed',
  revoked: 'signingKeyRevoked',
} as const satisfies Record<KeyEvent['kind'], keyof AuditWriter>;

function record(writer: AuditWriter, { kind, ...details }: KeyEvent, by: AuditContext): Promise<void> {
  return writer[WRITERS[kind]](details as KeyEvent & { reason: string }, by);
}

/** Carries an outcome out of a transaction that is undone. */
class Undone<Outcome> {
  readonly undone = true;
  readonly outcome: Outcome;

  constructor(outcome: Outcome) {
    this.outcome = outcome;
  }
}

function isUndone<Outcome>(error: unknown): error is Undone<Outcome> {
  return (error as Undone<Outcome> | undefined)?.undone === true;
}

/** As PostgreSQL says it when two transactions cannot both be right: worth another try. */
function conflict(): Error {
  return Object.assign(new Error('the key set changed meanwhile'), { code: '40001' });
}
