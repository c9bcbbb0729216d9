import type { AuditContext } from '../audit/audit.ts';
import type { Database } from '../platform/database/database.ts';
import { listNodes, type NodeRecord } from './key-nodes.ts';
import { ALGORITHMS, type Algorithm, makeKeyPair } from './key-pair.ts';
import type { KeyRecord } from './key-record.ts';
import { type MadeKey, readKeys, readVersion, type StoredKey, type StoredKeys } from './key-rows.ts';
import {
  createKeyTransactions,
  type Decision,
  type KeyTransaction,
  type KeyTransactionOptions,
  merge,
} from './key-transaction.ts';
import {
  advance,
  extendTokenLifetime,
  hold,
  missingKeys,
  nextTransitionAt,
  type RevokeOptions,
  type RevokeOutcome,
  type RotateOptions,
  type RotateOutcome,
  revoke,
  rotate,
} from './life-cycle.ts';
import { createOrderQueue } from './order-queue.ts';
import { signingKeyIdentity } from './sealed-table.ts';
import { type SpareTests, testSpares, tryAgain } from './spare-tests.ts';

export interface KeyStoreOptions extends KeyTransactionOptions {
  database: Pick<Database, 'pool' | 'prisma'>;
  algorithms?: readonly Algorithm[];
  makeKey?: typeof makeKeyPair;
}

/** `kid` signs now; `early`: relying parties with an older copy of the key set do not know it yet. */
export type Rotation = { kind: 'rotated'; kid: string; early: boolean } | Extract<RotateOutcome, { kind: 'refused' }>;

/** `successor` signs now, when it was the key that signed. */
export type Revocation =
  | { kind: 'revoked'; successor?: string; early: boolean }
  | Exclude<RevokeOutcome, { kind: 'changed' }>;

export type RevocationOrder = Pick<RevokeOptions, 'kid' | 'reason'>;

export interface KeyListing {
  version: number;
  /** Milliseconds since 1970, by the database, as all times here. */
  now: number;
  /** Infinity for never. */
  nextTransitionAt: number;
  keys: KeyRecord[];
  nodes: NodeRecord[];
}

/** The signing keys in the database: what changes, changes for all nodes at once and is recorded. */
export interface KeyStore {
  readonly algorithms: readonly Algorithm[];
  read(): Promise<StoredKeys>;
  readVersion(): Promise<Omit<StoredKeys, 'keys'>>;
  /** Whether tokens of this node live longer than the keys know. */
  isUnrecorded(stored: StoredKeys): boolean;
  /** Whether `advance` has something to do. */
  isDue(stored: StoredKeys): boolean;
  /** Does what is due, ends spares that cannot be used, and makes the keys that are missing. Whether anything changed. */
  advance(): Promise<boolean>;
  /** Records how long tokens of this node live, where less is known. Before it signs. */
  recordTokenLifetime(): Promise<void>;
  rotate(options: Omit<RotateOptions, 'made' | 'unfit'>, by: AuditContext): Promise<Rotation>;
  revoke(order: RevocationOrder, by: AuditContext): Promise<Revocation>;
  hold(kid: string, held: boolean, by: AuditContext): Promise<'done' | 'unchanged' | 'unknown'>;
  list(): Promise<KeyListing>;
  /** Told of each change that this process made. Returns what ends it. */
  onChanged(listener: () => void): () => void;
}

const SYSTEM: AuditContext = { actor: 'system' };

export function createKeyStore(options: KeyStoreOptions): KeyStore {
  const { database, keyEncryption, audit, policy, tokenLifetime } = options;
  const { algorithms = ALGORITHMS, makeKey = makeKeyPair } = options;
  const listeners = new Set<() => void>();
  const commit = createKeyTransactions(options);
  const read = () => readKeys(database.pool);
  /** In a process: those that wait hold no connection. */
  const inTurn = createOrderQueue();

  function tell(): void {
    for (const listener of listeners) listener();
  }

  async function change<Outcome>(transaction: KeyTransaction<Outcome>): Promise<Outcome> {
    const { outcome, changed } = await commit(transaction);
    if (changed) tell();
    return outcome;
  }

  /** What begins to sign was tried by who decides. */
  function tested<Outcome>(tests: SpareTests, decide: KeyTransaction<Outcome>['decide']): typeof decide {
    return (stored) => {
      const decision = decide(stored);
      if (decision.change) tests.assertPassed(decision.change, stored.keys);
      return decision;
    };
  }

  const test = (keys: readonly StoredKey[]) => testSpares(keys, keyEncryption);

  async function advanceNow(): Promise<boolean> {
    const stored = await read();
    const tests = await test(stored.keys);
    const { unfit } = tests;
    if (!isDue(stored) && unfit.size === 0) return false;
    const due = advance(stored.keys, stored.now, policy, [], unfit);
    const made = await make(missingKeys(merge(stored.keys, due.keys), algorithms));
    const decide = ({ keys, now }: StoredKeys): Decision<undefined> => ({
      outcome: undefined,
      change: advance(keys, now, policy, [...made.values()], unfit),
    });
    const { changed } = await commit({ made, by: SYSTEM, decide: tested(tests, decide) });
    if (changed) tell();
    return changed;
  }

  async function rotateNow(order: Omit<RotateOptions, 'made' | 'unfit'>, by: AuditContext): Promise<Rotation> {
    let { keys, now } = await read();
    let tests = await test(keys.filter(({ algorithm }) => algorithm === order.algorithm));
    if (tests.unfit.size > 0 && !order.emergency) {
      // The successor of the spare has to get warm like any other; an emergency does not wait for it.
      await advanceNow();
      ({ keys, now } = await read());
      tests = await test(keys);
    }
    const { unfit } = tests;
    // Most are refused, and need no key for it.
    const likely = rotate(keys, now, policy, { ...order, unfit });
    if (likely.kind === 'refused' && !(order.emergency && likely.reason === 'no_spare')) return likely;
    const made = await make([order.algorithm]);
    return change({
      made,
      by,
      decide: tested(tests, (stored) =>
        decideRotation(rotate(stored.keys, stored.now, policy, { ...order, unfit, made: [...made.values()] })),
      ),
    });
  }

  async function revokeNow({ kid, reason }: RevocationOrder, by: AuditContext): Promise<Revocation> {
    const { keys, now } = await read();
    const tests = await test(keys);
    const { unfit } = tests;
    const likely = revoke(keys, now, policy, { kid, reason, unfit });
    if (likely.kind !== 'changed' && !(likely.kind === 'refused' && likely.reason === 'no_spare')) return likely;
    const key = keys.find((one) => one.kid === kid)!;
    const made = await make(key.state === 'active' || key.state === 'published' ? [key.algorithm] : []);
    return change({
      made,
      by,
      decide: tested(tests, (stored) =>
        decideRevocation(revoke(stored.keys, stored.now, policy, { kid, reason, unfit, made: [...made.values()] })),
      ),
    });
  }

  /** Before any lock is taken: an RSA key takes up to a second. */
  async function make(wanted: readonly Algorithm[]): Promise<Map<string, MadeKey>> {
    const pairs = await Promise.all(wanted.map((algorithm) => makeKey(algorithm)));
    return new Map(
      pairs.map(({ kid, algorithm, publicJwk, privateKey }) => {
        const plain = privateKey.export({ format: 'der', type: 'pkcs8' });
        const sealed = keyEncryption.seal(plain, signingKeyIdentity(kid));
        return [kid, { kid, algorithm, tokenLifetime, publicJwk, sealed }];
      }),
    );
  }

  const isUnrecorded = ({ keys }: Pick<StoredKeys, 'keys'>) => extendTokenLifetime(keys, tokenLifetime).length > 0;

  function isDue({ keys, now }: StoredKeys): boolean {
    return missingKeys(keys, algorithms).length > 0 || nextTransitionAt(keys, policy) <= now || isUnrecorded({ keys });
  }

  return {
    algorithms,
    read,
    readVersion: () => readVersion(database.pool),
    isUnrecorded,
    isDue,
    advance: () => inTurn(() => tryAgain(advanceNow)),
    recordTokenLifetime: () =>
      inTurn(async () => {
        if (!isUnrecorded(await read())) return;
        await change({ by: SYSTEM, decide: () => ({ outcome: undefined, change: { keys: [], events: [] } }) });
      }),
    rotate: (order, by) => inTurn(() => tryAgain(() => rotateNow(order, by))),
    // A stolen key signs until its end: that waits behind nobody.
    revoke: (order, by) => inTurn(() => tryAgain(() => revokeNow(order, by)), { urgent: true }),
    hold: (kid, held, by) =>
      inTurn(() =>
        change({
          by,
          decide({ keys }): Decision<'done' | 'unchanged' | 'unknown'> {
            if (keys.every((key) => key.kid !== kid)) return { outcome: 'unknown' };
            const changed = hold(keys, kid, held);
            if (changed.length === 0) return { outcome: 'unchanged' };
            return { outcome: 'done', change: { keys: changed, events: [] } };
          },
          alongside: (tx) => audit.in(tx)[held ? 'signingKeyHeld' : 'signingKeyReleased']({ kid }, by),
        }),
      ),
    async list() {
      const [{ version, now, keys }, nodes] = await Promise.all([read(), listNodes(database.pool)]);
      const records = keys.map(({ publicJwk: _, sealed: __, ...record }) => record);
      return { version, now, nextTransitionAt: nextTransitionAt(keys, policy), keys: records, nodes };
    },
    onChanged(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

function decideRotation(outcome: RotateOutcome): Decision<Rotation> {
  if (outcome.kind === 'refused') return { outcome };
  const { kid, activatedEarly: early } = outcome.change.keys.find(({ state }) => state === 'active')!;
  return { outcome: { kind: 'rotated', kid, early }, change: outcome.change };
}

function decideRevocation(outcome: RevokeOutcome): Decision<Revocation> {
  if (outcome.kind !== 'changed') return { outcome };
  const successor = outcome.change.keys.find(({ state }) => state === 'active');
  return {
    outcome: {
      kind: 'revoked',
      early: successor?.activatedEarly ?? false,
      ...(successor && { successor: successor.kid }),
    },
    change: outcome.change,
  };
}
