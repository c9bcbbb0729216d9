/** Those that are changed now and then. The others are not: docs/keys.md says why. */
export const ROTATING = ['cookie-signature', 'password-pepper', 'dpop-nonce'] as const;
export type RotatingPurpose = (typeof ROTATING)[number];

/** A row of a purpose that rotates. Times are the database's, in milliseconds since 1970. */
export interface SecretRecord {
  id: string;
  purpose: RotatingPurpose;
  /** `next`: every node gets to know it, and nobody uses it yet. `retired`: what it was used for is still accepted. */
  state: 'next' | 'current' | 'retired';
  createdAt: number;
  currentSince?: number;
  retiredAt?: number;
}

/** In seconds. */
export interface SecretPolicy {
  /** Until every node has followed a change. */
  propagation: number;
  clockSkew: number;
  /** How long a cookie key signs. */
  rotationPeriod: number;
  /** The longest that a signed cookie is good for. */
  cookieLifetime: number;
}

export type SecretEvent =
  | { kind: 'staged' | 'deleted'; secret: string; purpose: RotatingPurpose }
  | {
      kind: 'rotated';
      secret: string;
      purpose: RotatingPurpose;
      before?: string;
      early?: boolean;
      reason: 'period' | 'order';
    };

export interface SecretChange {
  /** Those that differ, in an order in which each purpose has one current and one next at any moment; new ones included. */
  secrets: SecretRecord[];
  deleted: SecretRecord[];
  events: SecretEvent[];
}

export interface SecretSituation {
  now: number;
  policy: SecretPolicy;
  /** Peppers that a password needs. */
  inUse: ReadonlySet<string>;
  newId(purpose: RotatingPurpose): string;
}

export type SecretRotation =
  | { kind: 'changed'; change: SecretChange }
  | { kind: 'refused'; reason: 'superseded' | 'too_early'; notBefore?: number; change: SecretChange };

const SECOND = 1000;
const DAY = 24 * 60 * 60;

/** A nonce is good for three steps of 60 s and no longer. */
const NONCE_LIFETIME = 300;
/** Far longer than a password hash under way may take to be stored. */
const HASH_LIFETIME = 60 * 60;

/** When it may be used: every node has learnt of it by then. */
export function readyAt({ createdAt }: SecretRecord, { propagation, clockSkew }: SecretPolicy): number {
  return createdAt + (propagation + clockSkew) * SECOND;
}

/** When its successor takes over by itself; a pepper waits for an order, since it makes every password be hashed anew. */
function rotationDueAt(own: readonly SecretRecord[], policy: SecretPolicy): number {
  const [current, next] = [inState(own, 'current'), inState(own, 'next')];
  if (!current || !next) return Number.POSITIVE_INFINITY;
  const period = {
    'cookie-signature': policy.rotationPeriod,
    'dpop-nonce': DAY,
    'password-pepper': Number.POSITIVE_INFINITY,
  };
  return Math.max(
    readyAt(next, policy),
    (current.currentSince ?? current.createdAt) + period[current.purpose] * SECOND,
  );
}

/** When nothing needs it any more; of a pepper, when also no password does. */
function deletionDueAt({ purpose, retiredAt = Number.NaN }: SecretRecord, policy: SecretPolicy): number {
  const uses = {
    'cookie-signature': policy.cookieLifetime,
    'dpop-nonce': NONCE_LIFETIME,
    'password-pepper': HASH_LIFETIME,
  };
  return retiredAt + (policy.propagation + policy.clockSkew + uses[purpose]) * SECOND;
}

/** Everything that is due. Doing it twice changes nothing the second time. */
export function advanceSecrets(secrets: readonly SecretRecord[], situation: SecretSituation): SecretChange {
  const { now, policy, inUse } = situation;
  const change = noChange();
  for (const purpose of ROTATING) {
    const own = secrets.filter((secret) => secret.purpose === purpose);
    const current = inState(own, 'current');
    if (!current) continue;
    for (const secret of own.filter(({ state }) => state === 'retired')) {
      if (secret.retiredAt === undefined) change.secrets.push({ ...secret, retiredAt: now });
      else if (deletionDueAt(secret, policy) <= now && !inUse.has(secret.id)) {
        change.deleted.push(secret);
        change.events.push({ kind: 'deleted', secret: secret.id, purpose });
      }
    }
    if (rotationDueAt(own, policy) <= now) succeed(change, own, 'period', situation);
    else if (!inState(own, 'next')) stage(change, purpose, situation);
  }
  return change;
}

/**
 * What an operator orders. In an emergency nobody waits for nodes, which then refuse what it was used for until they know it; and of
 * cookie keys none stays, for whoever has one can sign any session.
 */
export function rotateSecret(
  secrets: readonly SecretRecord[],
  { purpose, expectedCurrent, emergency }: { purpose: RotatingPurpose; expectedCurrent: string; emergency: boolean },
  situation: SecretSituation,
): SecretRotation {
  const own = secrets.filter((secret) => secret.purpose === purpose);
  const change = noChange();
  if (inState(own, 'current')?.id !== expectedCurrent) return { kind: 'refused', reason: 'superseded', change };
  if (emergency && purpose === 'cookie-signature') {
    replace(change, own, situation);
    return { kind: 'changed', change };
  }
  const next = inState(own, 'next') ?? stage(change, purpose, situation);
  const ready = readyAt(next, situation.policy);
  if (ready > situation.now && !emergency) return { kind: 'refused', reason: 'too_early', notBefore: ready, change };
  succeed(change, [...own.filter(({ id }) => id !== next.id), next], 'order', situation);
  return { kind: 'changed', change };
}

/** The next moment at which `advanceSecrets` would change something. Whether a password needs a pepper still is looked up daily. */
export function nextSecretTransitionAt(secrets: readonly SecretRecord[], policy: SecretPolicy): number {
  const moments = secrets.flatMap((secret) =>
    secret.state === 'retired' && secret.purpose !== 'password-pepper' ? [deletionDueAt(secret, policy)] : [],
  );
  for (const purpose of ROTATING) {
    moments.push(
      rotationDueAt(
        secrets.filter((secret) => secret.purpose === purpose),
        policy,
      ),
    );
  }
  return Math.min(Number.POSITIVE_INFINITY, ...moments.filter((moment) => !Number.isNaN(moment)));
}

function noChange(): SecretChange {
  return { secrets: [], deleted: [], events: [] };
}

function inState(secrets: readonly SecretRecord[], state: SecretRecord['state']): SecretRecord | undefined {
  return secrets.find((secret) => secret.state === state);
}

function stage(change: SecretChange, purpose: RotatingPurpose, { now, newId }: SecretSituation): SecretRecord {
  const next: SecretRecord = { id: newId(purpose), purpose, state: 'next', createdAt: now };
  change.secrets.push(next);
  change.events.push({ kind: 'staged', secret: next.id, purpose });
  return next;
}

function succeed(
  change: SecretChange,
  own: readonly SecretRecord[],
  reason: 'period' | 'order',
  situation: SecretSituation,
): void {
  const { now, policy } = situation;
  const [before, next] = [inState(own, 'current')!, inState(own, 'next')!];
  const { id: secret, purpose } = next;
  // One that was made in this very change is stored once, as what it has become.
  change.secrets = change.secrets.filter(({ id }) => id !== secret);
  change.secrets.push(
    { ...before, state: 'retired', retiredAt: now },
    { ...next, state: 'current', currentSince: now },
  );
  const early = readyAt(next, policy) > now;
  change.events.push({ kind: 'rotated', secret, purpose, before: before.id, ...(early && { early }), reason });
  stage(change, purpose, situation);
}

/** By one that was made just now; the next one of before may be known to others as well as the rest. */
function replace(change: SecretChange, own: readonly SecretRecord[], situation: SecretSituation): void {
  const { now, newId } = situation;
  const { id: before, purpose } = inState(own, 'current')!;
  const secret = newId(purpose);
  change.deleted.push(...own);
  change.secrets.push({ id: secret, purpose, state: 'current', createdAt: now, currentSince: now });
  change.events.push(
    { kind: 'rotated', secret, purpose, before, early: true, reason: 'order' },
    ...own.map(({ id }) => ({ kind: 'deleted' as const, secret: id, purpose })),
  );
  stage(change, purpose, situation);
}
