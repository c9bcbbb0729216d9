import { randomUUID } from 'node:crypto';
import type { Database } from '../platform/database/database.ts';
import { listen } from '../platform/database/listen.ts';
import { unavailable } from '../platform/errors.ts';
import type { Logger } from '../platform/logger.ts';
import { OperatorError } from '../platform/operator-error.ts';
import type { KeyEncryption } from './envelope.ts';
import { createSteadyClock, type Look, maySign } from './fence.ts';
import { type KeyFigures, keyFigures } from './key-figures.ts';
import { listNodes, type NodeRecord, removeNode, reportNode } from './key-nodes.ts';
import { type KeyState, viewOf } from './key-record.ts';
import { createKeyRounds } from './key-rounds.ts';
import { CHANNEL, type StoredKeys } from './key-rows.ts';
import type { PublishedKey, SigningKeySet } from './key-set.ts';
import type { KeyStore } from './key-store.ts';
import { missingKeys } from './life-cycle.ts';
import { createPrivateHalves, type Opened } from './private-halves.ts';
import type { Signer } from './signer.ts';
import { type KeyPolicy, viewLifetime } from './timing.ts';
import { problemsOf, type UsableKeys, usableKeys } from './usable-keys.ts';

export interface KeyViewOptions {
  store: KeyStore;
  keyEncryption: KeyEncryption;
  policy: KeyPolicy;
  logger: Pick<Logger, 'info' | 'warn'>;
  database: Pick<Database, 'kind' | 'pool' | 'pooler'>;
  nodeId?: string;
  /** Milliseconds of a clock that never goes back. */
  now?: () => number;
  /** What shares the version with the keys, and has its times from minute to minute: the server's other secrets. */
  others?: Pick<KeyStore, 'advance' | 'onChanged'>;
}

/** The keys as this process sees them: what it publishes, and whether it may sign at this moment. */
export interface KeyView {
  current(): SigningKeySet;
  /** Told of each change after what the first `current` gave out, one after the other. */
  onChange(listener: (set: SigningKeySet) => Promise<void>): void;
  /** Looks at the database now; many who ask at once share one look. */
  refresh(): Promise<void>;
  isReady(): { ready: true } | { ready: false; problem: string };
  figures(): KeyFigures;
  /** Seconds by which the clock of this machine is ahead of the database's; known since the start. */
  clockAhead(): number;
  close(): Promise<void>;
}

/** Milliseconds; a server that can be reached answers or refuses within three seconds. */
const LONGEST_LOOK = 5_000;

interface Seen extends UsableKeys {
  look: Look;
  stored: StoredKeys;
  /** By the clock of this process: when `stored.now` was, and when this version came. */
  readAt: number;
  since: number;
}

/**
 * At the first start it makes the keys that sign; everything else it leaves to later.
 * @throws OperatorError when a key that signs cannot be used here
 */
export async function openKeyView(options: KeyViewOptions): Promise<KeyView> {
  const { store, keyEncryption, policy, logger, database, others } = options;
  const { nodeId = randomUUID(), now = createSteadyClock() } = options;
  const halves = createPrivateHalves(keyEncryption);
  /** Of these the answers were true a moment ago, for those who began then. */
  const looks = new Set<Look>();
  // An answer that never comes must not hold up everybody who waits for it.
  const soon = <Result>(work: Promise<Result>) => within(LONGEST_LOOK, work);
  const listeners: { tell(set: SigningKeySet): Promise<void>; mark: string }[] = [];
  let nodes: NodeRecord[] = [];
  let spareTests: Opened[] = [];
  let missingSince: number | undefined;
  let untoldSince: number | undefined;
  let flight: Promise<void> | undefined;

  async function read(): Promise<{ stored: StoredKeys; at: number }> {
    for (;;) {
      const at = now();
      const stored = await soon(store.read());
      if (!store.isUnrecorded(stored)) return { stored, at };
      await store.recordTokenLifetime();
    }
  }

  async function see({ stored, at }: Awaited<ReturnType<typeof read>>): Promise<Seen> {
    const roles = viewOf(stored.keys);
    const look: Look = {
      version: stored.version,
      confirmedAt: at,
      signers: new Set(roles.signers.values()),
      revoked: new Set(roles.revoked),
    };
    const usable = await usableKeys(stored, halves);
    const keys = usable.set.keys.map((key) => (isSigner(key) && look.signers.has(key.kid) ? fenced(key, look) : key));
    return { ...usable, set: { ...usable.set, keys }, look, stored, readAt: at, since: now() };
  }

  function fenced(key: PublishedKey & { sign: Signer }, look: Look): PublishedKey {
    const { kid, sign } = key;
    return {
      ...key,
      sign: (input) => (maySign(kid, look, seen.look, now(), policy) ? sign(input) : signLater(kid, look, sign, input)),
    };
  }

  async function signLater(kid: string, look: Look, sign: Signer, input: Buffer): Promise<Buffer> {
    const failure = await refresh().catch((error: unknown) => error);
    if (maySign(kid, look, seen.look, now(), policy)) return sign(input);
    throw unavailable(1, failure);
  }

  async function lookAgain(): Promise<void> {
    const at = now();
    const peeked = await soon(store.readVersion());
    if (peeked.mark === seen.stored.mark) {
      seen.look.confirmedAt = at;
      seen.stored.now = peeked.now;
      seen.readAt = at;
      if (seen.problems.length === 0) return tellAll();
    }
    const next = await see(await read());
    // Nothing changed but that a key can be used now.
    if (next.problems.length < seen.problems.length) for (const listener of listeners) listener.mark = '';
    follow(next);
    noteMissing();
    await tellAll();
  }

  /** The database is right also when it went back: looks come one after the other, and one that took too long is given up. */
  function follow(next: Seen): void {
    const isBack = next.stored.mark !== seen.stored.mark && next.look.version <= seen.look.version;
    for (const look of looks) {
      // What it lost never was: nobody goes on with it.
      if (isBack) look.confirmedAt = Number.NEGATIVE_INFINITY;
      if (now() - look.confirmedAt >= 1000 * viewLifetime(policy)) looks.delete(look);
    }
    looks.add(next.look);
    if (isBack)
      logger.warn({ from: seen.look.version, to: next.look.version }, 'the key set of the database went back');
    seen = next;
  }

  /** A listener that fails, or takes long, is told again by the next look: it may be told of a newer one meanwhile. */
  async function tellAll(): Promise<void> {
    for (const listener of listeners) {
      const { set, stored } = seen;
      const { mark } = stored;
      if (listener.mark === mark) continue;
      await soon(listener.tell(set));
      listener.mark = mark;
    }
    untoldSince = undefined;
  }

  /** Since when somebody here goes on with what is not true any more: it would be published, and accepted. */
  function untoldFor(): number {
    if (listeners.every(({ mark }) => mark === seen.stored.mark)) return 0;
    untoldSince ??= now();
    return now() - untoldSince;
  }

  function refresh(): Promise<void> {
    flight ??= lookAgain().finally(() => {
      flight = undefined;
    });
    return flight;
  }

  /** What is under way may have looked before the change. */
  async function refreshAfterChange(): Promise<void> {
    await flight?.catch(() => {});
    await refresh();
  }

  function noteMissing(): void {
    const isMissing = missingKeys(seen.stored.keys, store.algorithms).length > 0;
    missingSince = isMissing ? (missingSince ?? now()) : undefined;
  }

  /** What will sign next is tried out before it is needed. */
  async function checkSpares(): Promise<void> {
    const spares = seen.stored.keys.filter(({ state }) => state === 'published');
    spareTests = await Promise.all(spares.map((key) => halves.open(key)));
  }

  async function report(): Promise<void> {
    await reportNode(database.pool, { id: nodeId, version: seen.look.version, kekIds: keyEncryption.kekIds });
    nodes = await listNodes(database.pool);
  }

  const lockedOut = (wanted: KeyState) => halves.lockedOut(seen.stored.keys.filter(({ state }) => state === wanted));
  /** Of what this node signs with. A spare has time to be replaced. */
  const problems = () => [...new Set([...seen.problems, ...lockedOut('active')])];
  const unfitSpares = () => spareTests.filter((one) => 'problem' in one && !one.isLockedOut);

  const estimated = () => ({ ...seen.stored, now: seen.stored.now + now() - seen.readAt });
  const clockAhead = () => (Date.now() - estimated().now) / 1000;
  const confirmedAgo = () => (now() - seen.look.confirmedAt) / 1000;

  function figures(): KeyFigures {
    return keyFigures(
      {
        version: seen.look.version,
        confirmedAgo: confirmedAgo(),
        keys: seen.stored.keys,
        now: estimated().now,
        clockAhead: clockAhead(),
        ...(missingSince !== undefined && { sparesMissingFor: (now() - missingSince) / 1000 }),
        versionSince: (now() - seen.since) / 1000,
        nodes,
        kekId: keyEncryption.kekId,
        problems: [...problems(), ...lockedOut('published')],
        unusable: [...seen.leftOut, ...problemsOf(unfitSpares())],
        algorithms: store.algorithms,
      },
      policy,
    );
  }

  let first = await read();
  if (store.algorithms.some((algorithm) => !viewOf(first.stored.keys).signers.has(algorithm))) {
    await store.advance();
    first = await read();
  }
  let seen = await see(first);
  looks.add(seen.look);
  // A start on keys that it cannot use would only look like one.
  if (seen.problems.length > 0) throw new OperatorError(seen.problems.join('\n'));
  noteMissing();

  const rounds = createKeyRounds({
    policy,
    logger,
    refresh,
    report,
    checkSpares,
    advance: store.advance,
    isDue: () => unfitSpares().length > 0 || store.isDue(estimated()),
    ...(others && { alsoAdvance: others.advance }),
    figures,
  });
  const hear = () => void refreshAfterChange().catch(() => {});
  const stops = [store, others].flatMap((source) => (source ? [source.onChanged(hear)] : []));
  const stopListening = listen(database, CHANNEL, hear);

  return {
    current: () => seen.set,
    onChange: (tell) => void listeners.push({ tell, mark: first.stored.mark }),
    refresh,
    isReady() {
      const [problem] = problems();
      if (problem !== undefined) return { ready: false, problem };
      if (confirmedAgo() >= viewLifetime(policy)) {
        return { ready: false, problem: `The key set was last confirmed ${Math.round(confirmedAgo())} s ago.` };
      }
      if (untoldFor() >= 1000 * viewLifetime(policy)) {
        return { ready: false, problem: `This node does not get to use key set version ${seen.set.version}.` };
      }
      return { ready: true };
    },
    figures,
    clockAhead,
    async close() {
      for (const stop of stops) stop();
      await Promise.all([stopListening(), rounds.stop()]);
      await flight?.catch(() => {});
      await removeNode(database.pool, nodeId).catch(() => {});
    },
  };
}

function isSigner(key: PublishedKey): key is PublishedKey & { sign: Signer } {
  return key.sign !== undefined;
}

async function within<Result>(limit: number, work: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(unavailable(1, new Error(`no answer within ${limit} ms`))), limit);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
