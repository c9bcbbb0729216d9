import type { Audit, AuditContext, AuditWriter, Transaction } from '../audit/audit.ts';
import type { Database } from '../platform/database/database.ts';
import { isUnavailable } from '../platform/database/database-errors.ts';
import { retryConflicts } from '../platform/database/statement-batch.ts';
import { unavailable } from '../platform/errors.ts';
import type { KeyEncryption } from './envelope.ts';
import { assertNodesCanOpen } from './key-encryption.ts';
import { KEY_LOCK } from './sealed-store.ts';
import {
  advanceSecrets,
  nextSecretTransitionAt,
  ROTATING,
  type RotatingPurpose,
  readyAt,
  rotateSecret,
  type SecretChange,
  type SecretEvent,
  type SecretPolicy,
  type SecretRecord,
  type SecretSituation,
} from './secret-life-cycle.ts';
import { newSecretId, sealSecret } from './server-secrets.ts';

export interface SecretStoreOptions {
  database: Pick<Database, 'pool' | 'prisma'>;
  keyEncryption: KeyEncryption;
  audit: Pick<Audit, 'in'>;
  policy: SecretPolicy;
  /** Peppers that a stored password needs. */
  pepperIdsInUse(tx: Transaction): Promise<string[]>;
}

export interface RotateSecretOptions {
  purpose: RotatingPurpose;
  /** At once, whether every node knows the next one or not. */
  emergency?: boolean;
  /** The one that the caller saw in use: of many who order the same change, one gets it. */
  expectedCurrent?: string;
}

export type SecretRotationOutcome =
  | { kind: 'rotated'; secret: string; before: string; early: boolean }
  | { kind: 'refused'; reason: 'superseded' }
  | { kind: 'refused'; reason: 'too_early'; notBefore: Date; waitSeconds: number };

export interface SecretListing {
  id: string;
  purpose: RotatingPurpose;
  state: SecretRecord['state'];
  /** Seconds since it got into this state. */
  age: number;
  /** For `next`: seconds until it may be used without harm. */
  readyIn?: number;
}

export interface SecretStore {
  /** Does everything that is due. True when anything was. */
  advance(): Promise<boolean>;
  rotate(options: RotateSecretOptions, by: AuditContext): Promise<SecretRotationOutcome>;
  list(): Promise<SecretListing[]>;
  /** Seconds until `advance` has something to do. */
  nextTransitionIn(): Promise<number>;
  /** Tells of what this process has changed; others learn of it by the version number. */
  onChanged(listener: () => void): () => void;
}

const BY_SYSTEM: AuditContext = { actor: 'system' };

/** A next, a current, and those that were, of each purpose that rotates. All nodes may do everything here at once. */
export function createSecretStore({
  database,
  keyEncryption,
  audit,
  policy,
  pepperIdsInUse,
}: SecretStoreOptions): SecretStore {
  const listeners = new Set<() => void>();
  let turn: Promise<unknown> = Promise.resolve();

  const situationOf = (now: number, inUse: readonly string[]): SecretSituation => ({
    now,
    policy,
    inUse: new Set(inUse),
    newId: newSecretId,
  });

  /** One after the other in this process, so that those who wait hold no connection; then alone among all nodes. */
  function alone<Result>(...order: Parameters<typeof change<Result>>): Promise<Result> {
    const result = turn.then(() => change(...order));
    turn = result.catch(() => {});
    return result.catch((error) => {
      throw isUnavailable(error) ? unavailable(1, error) : error;
    });
  }

  async function change<Result>(
    by: AuditContext,
    decide: (secrets: SecretRecord[], situation: SecretSituation) => { change: SecretChange; result: Result },
  ): Promise<Result> {
    const { change: changed, result } = await retryConflicts(() =>
      database.prisma.$transaction(
        async (tx) => {
          await tx.$executeRaw`SELECT set_config('lock_timeout', '10s', true), set_config('statement_timeout', '10s', true)`;
          await tx.$executeRaw`SELECT pg_advisory_xact_lock(${KEY_LOCK}::bigint)`;
          const { secrets, now } = await read(tx);
          const decided = decide(secrets, situationOf(now, await pepperIdsInUse(tx)));
          await write(tx, decided.change, by);
          return decided;
        },
        { maxWait: 15_000, timeout: 15_000 },
      ),
    );
    if (!isNothing(changed)) for (const listener of listeners) listener();
    return result;
  }

  async function write(tx: Transaction, change: SecretChange, by: AuditContext): Promise<void> {
    if (isNothing(change)) return;
    for (const { id } of change.deleted) await tx.serverSecret.delete({ where: { id } });
    for (const secret of change.secrets) await writeOne(tx, secret);
    for (const event of change.events) await writeEvent(audit.in(tx), event, by);
    await tx.$executeRaw`UPDATE key_set_version SET version = version + 1, changed_at = now()`;
    await tx.$executeRaw`SELECT pg_notify('daemun_keys', '')`;
  }

  async function writeOne(tx: Transaction, { id, purpose, state, ...times }: SecretRecord): Promise<void> {
    const data = {
      currentFor: state === 'current' ? purpose : null,
      nextFor: state === 'next' ? purpose : null,
      currentSince: dateOf(times.currentSince),
      retiredAt: dateOf(times.retiredAt),
    };
    const { count } = await tx.serverSecret.updateMany({ where: { id }, data });
    if (count > 0) return;
    await assertNodesCanOpen(
      { query: async (text) => ({ rows: await tx.$queryRawUnsafe(text) }) },
      keyEncryption.kekId,
    );
    const { ciphertext, wrappedDataKey, kekId } = sealSecret(keyEncryption, id, purpose);
    const sealed = { sealed: new Uint8Array(ciphertext), wrappedDataKey: new Uint8Array(wrappedDataKey), kekId };
    await tx.serverSecret.create({ data: { id, purpose, ...sealed, ...data, createdAt: new Date(times.createdAt) } });
  }

  return {
    async advance() {
      // Nearly always nothing is due: then nobody waits for anybody. First without asking whether the peppers that were are still
      // needed, by one plain statement: a node that serves nobody yet loads nothing for it.
      const glance = await look(database.pool);
      if (glance && isNothing(advanceSecrets(glance.secrets, situationOf(glance.now, [])))) return false;
      const due = await database.prisma.$transaction(async (tx) => {
        const { secrets, now } = await read(tx);
        return advanceSecrets(secrets, situationOf(now, await pepperIdsInUse(tx)));
      });
      if (isNothing(due)) return false;
      return alone(BY_SYSTEM, (secrets, situation) => {
        const change = advanceSecrets(secrets, situation);
        return { change, result: !isNothing(change) };
      });
    },

    async rotate({ purpose, emergency = false, expectedCurrent }, by) {
      const expected =
        expectedCurrent ?? (await database.prisma.serverSecret.findFirst({ where: { currentFor: purpose } }))?.id ?? '';
      return alone(by, (secrets, situation) => {
        const rotation = rotateSecret(secrets, { purpose, emergency, expectedCurrent: expected }, situation);
        return { change: rotation.change, result: outcomeOf(rotation, expected, situation.now) };
      });
    },

    async list() {
      const { secrets, now } = await database.prisma.$transaction(read);
      return secrets.map(({ id, purpose, state, createdAt, currentSince, retiredAt }, index) => {
        const since = { next: createdAt, current: currentSince ?? createdAt, retired: retiredAt ?? now }[state];
        const wait = Math.max(0, Math.ceil((readyAt(secrets[index]!, policy) - now) / 1000));
        return {
          id,
          purpose,
          state,
          age: Math.floor((now - since) / 1000),
          ...(state === 'next' && { readyIn: wait }),
        };
      });
    },

    async nextTransitionIn() {
      const { secrets, now } = await database.prisma.$transaction(read);
      return Math.max(0, (nextSecretTransitionAt(secrets, policy) - now) / 1000);
    },

    onChanged(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

const isNothing = ({ secrets, deleted }: SecretChange) => secrets.length + deleted.length === 0;

const dateOf = (time: number | undefined) => (time === undefined ? null : new Date(time));

async function read(tx: Transaction): Promise<{ secrets: SecretRecord[]; now: number }> {
  const rows = await tx.serverSecret.findMany({
    where: { purpose: { in: [...ROTATING] } },
    omit: { sealed: true, wrappedDataKey: true },
    orderBy: [{ purpose: 'asc' }, { createdAt: 'desc' }, { id: 'asc' }],
  });
  // After the lock: by the clock, not by when the transaction began to wait for it.
  const [clock] = await tx.$queryRaw<{ now: Date }[]>`SELECT clock_timestamp() AS now`;
  return { now: clock!.now.getTime(), secrets: rows.map(recordOf) };
}

/** The same without a lock and a transaction. Undefined where there is none of these secrets. */
async function look(pool: Database['pool']): Promise<{ secrets: SecretRecord[]; now: number } | undefined> {
  const { rows } = await pool.query<Row & { now: Date }>(
    `SELECT id, purpose, current_for AS "currentFor", next_for AS "nextFor", created_at AS "createdAt",
       current_since AS "currentSince", retired_at AS "retiredAt", clock_timestamp() AS now
     FROM server_secrets WHERE purpose = ANY($1) ORDER BY purpose, created_at DESC, id`,
    [[...ROTATING]],
  );
  const [first] = rows;
  return first && { now: first.now.getTime(), secrets: rows.map(recordOf) };
}

interface Row {
  id: string;
  purpose: string;
  currentFor: string | null;
  nextFor: string | null;
  createdAt: Date;
  currentSince: Date | null;
  retiredAt: Date | null;
}

function recordOf(row: Row): SecretRecord {
  return {
    id: row.id,
    purpose: row.purpose as RotatingPurpose,
    state: row.currentFor ? 'current' : row.nextFor ? 'next' : 'retired',
    createdAt: row.createdAt.getTime(),
    ...(row.currentSince && { currentSince: row.currentSince.getTime() }),
    ...(row.retiredAt && { retiredAt: row.retiredAt.getTime() }),
  };
}

function outcomeOf(rotation: ReturnType<typeof rotateSecret>, before: string, now: number): SecretRotationOutcome {
  if (rotation.kind === 'refused') {
    const { reason, notBefore = now } = rotation;
    if (reason === 'superseded') return { kind: 'refused', reason };
    return {
      kind: 'refused',
      reason,
      notBefore: new Date(notBefore),
      waitSeconds: Math.ceil((notBefore - now) / 1000),
    };
  }
  const rotated = rotation.change.events.find((event) => event.kind === 'rotated')!;
  return { kind: 'rotated', secret: rotated.secret, before, early: rotated.early ?? false };
}

function writeEvent(audit: AuditWriter, { kind, ...details }: SecretEvent, by: AuditContext): Promise<void> {
  if (kind === 'staged') return audit.secretStaged(details, by);
  if (kind === 'deleted') return audit.secretDeleted(details, by);
  return audit.secretRotated(details as Parameters<AuditWriter['secretRotated']>[0], by);
}
