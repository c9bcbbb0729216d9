import type { Algorithm } from './key-pair.ts';
import type { Change, KeyEvent, KeyRecord, KeyState, NewKey } from './key-record.ts';
import { type KeyPolicy, lastSignature, retention, warmUp } from './timing.ts';

/** Spares that nobody can sign with: whoever decides tried them. They end, and never take over. */
type Unfit = ReadonlySet<string>;
const NONE: Unfit = new Set();

export const UNFIT_REASON = 'its private half cannot be used';

export interface RotateOptions {
  algorithm: Algorithm;
  /** Whom the caller saw signing: of many who order the same change, one gets it. */
  expectedActive: string;
  /** At once, whether every relying party knows the spare or not. */
  emergency: boolean;
  made?: readonly NewKey[];
  unfit?: Unfit;
}

export type RotateOutcome =
  | { kind: 'changed'; change: Change }
  | { kind: 'refused'; reason: 'superseded' | 'too_early' | 'no_spare'; notBefore?: number };

export interface RevokeOptions {
  kid: string;
  reason: string;
  made?: readonly NewKey[];
  unfit?: Unfit;
}

export type RevokeOutcome =
  | { kind: 'changed'; change: Change }
  | { kind: 'unchanged' }
  | { kind: 'refused'; reason: 'unknown' | 'destroyed' | 'no_spare' };

/** With the spare and the key that signs, what relying parties ever get of one algorithm. Keys that are held come on top. */
const MOST_RETIRING = 2;

/** Algorithms without a spare, or without any key: one has to be generated for each before `advance` can help them. */
export function missingKeys(keys: readonly KeyRecord[], algorithms: readonly Algorithm[]): Algorithm[] {
  return algorithms.filter((algorithm) => !keys.some((key) => key.algorithm === algorithm && isSpare(key)));
}

/** Everything that is due at `now`. Doing it twice changes nothing the second time. */
export function advance(
  keys: readonly KeyRecord[],
  now: number,
  policy: KeyPolicy,
  made: readonly NewKey[] = [],
  unfit = NONE,
): Change {
  const work = startWork(keys, now, policy);
  for (const key of work.all()) if (!key.held) cleanUp(work, key);
  for (const algorithm of work.algorithms(made)) {
    endUnfit(work, algorithm, unfit);
    fillIn(work, algorithm, made);
    const due = rotationDueAt(work.of(algorithm), policy);
    if (due !== undefined && due <= now) {
      activate(work, find(work.of(algorithm), 'published')!);
      fillIn(work, algorithm, made);
    }
  }
  return work.change();
}

/** The next moment at which `advance` without new keys would change something; Infinity when it never would. */
export function nextTransitionAt(keys: readonly KeyRecord[], policy: KeyPolicy): number {
  const moments = keys.flatMap((key) => (key.held ? [] : cleanUpsOf(key, policy).map(({ at }) => at)));
  for (const algorithm of new Set(keys.map((key) => key.algorithm))) {
    const own = keys.filter((key) => key.algorithm === algorithm);
    const [active, spare, staged] = [find(own, 'active'), find(own, 'published'), find(own, 'staged')];
    if (staged && (!spare || !active)) moments.push(staged.createdAt);
    if (spare && !active) moments.push(spare.publishedAt ?? spare.createdAt);
    moments.push(rotationDueAt(own, policy) ?? Number.POSITIVE_INFINITY);
  }
  return Math.min(Number.POSITIVE_INFINITY, ...moments);
}

/** What an operator orders: the spare signs from now on. In an emergency nothing is waited for. */
export function rotate(
  keys: readonly KeyRecord[],
  now: number,
  policy: KeyPolicy,
  { algorithm, expectedActive, emergency, made = [], unfit = NONE }: RotateOptions,
): RotateOutcome {
  const work = startWork(keys, now, policy);
  for (const key of work.of(algorithm)) if (!key.held) cleanUp(work, key);
  const active = find(work.of(algorithm), 'active');
  if (active?.kid !== expectedActive) return { kind: 'refused', reason: 'superseded' };
  endUnfit(work, algorithm, unfit);
  fillIn(work, algorithm, made);
  const spare = find(work.of(algorithm), 'published');
  if (!spare || (!emergency && isNew(keys, spare))) return { kind: 'refused', reason: 'no_spare' };
  const notBefore = Math.max(emergency ? 0 : warmAt(spare, policy), roomAt(work.of(algorithm), policy));
  if (notBefore > now) return { kind: 'refused', reason: 'too_early', notBefore };
  activate(work, spare);
  fillIn(work, algorithm, made);
  return { kind: 'changed', change: work.change() };
}

/** Ends a key for good. If it was the one that signs, the spare takes its place in the same moment, however young. */
export function revoke(
  keys: readonly KeyRecord[],
  now: number,
  policy: KeyPolicy,
  { kid, reason, made = [], unfit = NONE }: RevokeOptions,
): RevokeOutcome {
  const work = startWork(keys, now, policy);
  const key = work.all().find((one) => one.kid === kid);
  if (!key) return { kind: 'refused', reason: 'unknown' };
  if (key.state === 'destroyed') return { kind: 'refused', reason: 'destroyed' };
  if (key.state === 'revoked') return { kind: 'unchanged' };
  const { algorithm } = key;
  end(work, key, reason);
  endUnfit(work, algorithm, unfit);
  fillIn(work, algorithm, made);
  if (key.state === 'active' && !find(work.of(algorithm), 'active')) return { kind: 'refused', reason: 'no_spare' };
  return { kind: 'changed', change: work.change() };
}

/** Keys that sign here, or have signed, for tokens that live longer than was known: they stay published as much longer. */
export function extendTokenLifetime(keys: readonly KeyRecord[], tokenLifetime: number): KeyRecord[] {
  return keys
    .filter((key) => ['staged', 'published', 'active', 'retiring'].includes(key.state))
    .filter((key) => key.tokenLifetime < tokenLifetime)
    .map((key) => ({ ...key, tokenLifetime }));
}

/** Keeps clean-up away from a key, or lets it go on. */
export function hold(keys: readonly KeyRecord[], kid: string, held: boolean): KeyRecord[] {
  return keys.filter((key) => key.kid === kid && key.held !== held).map((key) => ({ ...key, held }));
}

/** What a change still has to do: the rows as they are so far, and which of them differ. */
interface Work {
  now: number;
  policy: KeyPolicy;
  all(): KeyRecord[];
  of(algorithm: Algorithm): KeyRecord[];
  algorithms(made: readonly NewKey[]): Set<Algorithm>;
  update(key: KeyRecord): void;
  note(kind: KeyEvent['kind'], key: { kid: string; algorithm: Algorithm }, more?: Partial<KeyEvent>): void;
  change(): Change;
}

function startWork(keys: readonly KeyRecord[], now: number, policy: KeyPolicy): Work {
  const rows = new Map(keys.map((key) => [key.kid, key]));
  const changed = new Set<string>();
  const events: KeyEvent[] = [];
  return {
    now,
    policy,
    all: () => [...rows.values()],
    of: (algorithm) => [...rows.values()].filter((key) => key.algorithm === algorithm),
    algorithms: (made) => new Set([...rows.values(), ...made].map(({ algorithm }) => algorithm)),
    update(key) {
      rows.set(key.kid, key);
      changed.add(key.kid);
    },
    note: (kind, { kid, algorithm }, more) => void events.push({ kind, kid, algorithm, ...more }),
    change: () => ({ keys: [...changed].map((kid) => rows.get(kid)!), events }),
  };
}

function end(work: Work, key: KeyRecord, reason: string): void {
  work.update({ ...key, state: 'revoked', hasPrivateHalf: false, revokedAt: work.now, revocationReason: reason });
  work.note('revoked', key, { reason });
}

function endUnfit(work: Work, algorithm: Algorithm, unfit: Unfit): void {
  for (const key of work.of(algorithm)) if (isSpare(key) && unfit.has(key.kid)) end(work, key, UNFIT_REASON);
}

/** One key signs and one spare is published, as far as there are keys for it. */
function fillIn(work: Work, algorithm: Algorithm, made: readonly NewKey[]): void {
  for (const state of ['active', 'published'] as const) {
    if (find(work.of(algorithm), state)) continue;
    if (!find(work.of(algorithm), 'published')) publish(work, algorithm, made);
    const spare = find(work.of(algorithm), 'published');
    if (state === 'active' && spare) activate(work, spare);
  }
}

function publish(work: Work, algorithm: Algorithm, made: readonly NewKey[]): void {
  const key = find(work.of(algorithm), 'staged') ?? stage(work, algorithm, made);
  if (!key) return;
  work.update({ ...key, state: 'published', publishedAt: work.now });
  work.note('published', key);
}

function stage(work: Work, algorithm: Algorithm, made: readonly NewKey[]): KeyRecord | undefined {
  const known = new Set(work.all().map(({ kid }) => kid));
  const fresh = made.find((key) => key.algorithm === algorithm && !known.has(key.kid));
  if (!fresh) return undefined;
  work.note('staged', fresh);
  const { kid, tokenLifetime } = fresh;
  return {
    kid,
    algorithm,
    tokenLifetime,
    state: 'staged',
    hasPrivateHalf: true,
    activatedEarly: false,
    held: false,
    createdAt: work.now,
  };
}

/** The first key of an algorithm has no one to wait for: nobody has a copy of the key set in which it could be missing. */
function activate(work: Work, spare: KeyRecord): void {
  const { now, policy } = work;
  const others = work.of(spare.algorithm).filter(({ kid }) => kid !== spare.kid);
  const before = find(others, 'active');
  const isFirst = others.every(({ activatedAt }) => activatedAt === undefined);
  const early = !isFirst && warmAt(spare, policy) > now;
  if (before) {
    work.update({ ...before, state: 'retiring', retiredAt: now });
    work.note('retired', before);
  }
  work.update({ ...spare, state: 'active', activatedAt: now, activatedEarly: early });
  work.note('activated', spare, { ...(early && { early }) });
}

function cleanUp(work: Work, key: KeyRecord): void {
  // Again after each: what was archived too late is not destroyed in the same moment.
  for (let one = key; ; ) {
    const due = cleanUpsOf(one, work.policy).find(({ at }) => at <= work.now);
    if (!due) return;
    one = due.apply(one, work.now);
    work.update(one);
    work.note(due.kind, one);
  }
}

interface CleanUp {
  kind: 'erased' | 'archived' | 'destroyed';
  at: number;
  apply(key: KeyRecord, now: number): KeyRecord;
}

/** What will be done about a key that signs no more, in order. */
function cleanUpsOf(key: KeyRecord, policy: KeyPolicy): CleanUp[] {
  const since = key.retiredAt ?? key.createdAt;
  if (key.state === 'retiring') {
    const erase: CleanUp = {
      kind: 'erased',
      at: since + 1000 * lastSignature(policy),
      apply: (one) => ({ ...one, hasPrivateHalf: false }),
    };
    const archive: CleanUp = {
      kind: 'archived',
      at: since + 1000 * retention(policy, key.tokenLifetime),
      apply: (one, now) => ({ ...one, state: 'archived', archivedAt: now }),
    };
    return key.hasPrivateHalf ? [erase, archive] : [archive];
  }
  if (key.state !== 'archived') return [];
  return [
    {
      kind: 'destroyed',
      at: (key.archivedAt ?? since) + 1000 * policy.hintRetention,
      apply: (one, now) => ({ ...one, state: 'destroyed', destroyedAt: now }),
    },
  ];
}

/** When the key that signs has signed long enough, its successor is known everywhere, and there is room in the key set. */
function rotationDueAt(own: readonly KeyRecord[], policy: KeyPolicy): number | undefined {
  const [active, spare] = [find(own, 'active'), find(own, 'published')];
  if (!active || !spare) return undefined;
  const since = active.activatedAt ?? active.publishedAt ?? active.createdAt;
  return Math.max(since + 1000 * policy.rotationPeriod, warmAt(spare, policy), roomAt(own, policy));
}

function warmAt(spare: KeyRecord, policy: KeyPolicy): number {
  return (spare.publishedAt ?? spare.createdAt) + 1000 * warmUp(policy);
}

/** When one more key may retire. */
function roomAt(own: readonly KeyRecord[], policy: KeyPolicy): number {
  const leaving = own
    .filter((key) => key.state === 'retiring' && !key.held)
    .map((key) => (key.retiredAt ?? key.createdAt) + 1000 * retention(policy, key.tokenLifetime))
    .sort((a, b) => b - a);
  return leaving[MOST_RETIRING - 1] ?? Number.NEGATIVE_INFINITY;
}

function find(keys: readonly KeyRecord[], state: KeyState): KeyRecord | undefined {
  return keys.find((key) => key.state === state);
}

export function isSpare({ state }: Pick<KeyRecord, 'state'>): boolean {
  return state === 'staged' || state === 'published';
}

function isNew(keys: readonly KeyRecord[], { kid }: KeyRecord): boolean {
  return keys.every((key) => key.kid !== kid);
}
