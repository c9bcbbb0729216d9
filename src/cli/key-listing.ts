import type { KeyRecord, KeyState } from '../signing-keys/key-record.ts';
import type { KeyListing } from '../signing-keys/key-store.ts';
import { type KeyFacts, keyWarnings } from '../signing-keys/key-warnings.ts';
import { missingKeys } from '../signing-keys/life-cycle.ts';
import type { SecretListing } from '../signing-keys/secret-store.ts';
import { type KeyPolicy, lastSignature, retention, warmUp } from '../signing-keys/timing.ts';
import type { KeyAdministration } from './command.ts';
import { dateOf, inWords } from './key-effects.ts';
import { tableOf } from './output.ts';

/** A node that serves says so every few seconds. */
const LIVE = 60;

export interface KeysShown {
  version: number;
  keys: KeyShown[];
  secrets: SecretListing[];
  nodes: (KeyListing['nodes'][number] & { live: boolean })[];
  keyEncryption: { here: readonly string[]; inUse: string[] };
  nextTransition?: string;
  warnings: string[];
}

interface KeyShown {
  kid: string;
  algorithm: string;
  state: KeyState;
  /** Seconds since it got into this state. */
  age: number;
  since: string;
  /** What happens next to it by itself, and when. */
  next?: { change: string; at: string };
  held?: true;
  activatedEarly?: true;
  reason?: string;
}

export async function lookAtKeys(keys: KeyAdministration): Promise<KeysShown> {
  const [listing, secrets, inUse] = await Promise.all([keys.store.list(), keys.secrets.list(), keys.kekIdsInUse()]);
  const { version, now, nextTransitionAt } = listing;
  return {
    version,
    keys: listing.keys.map((key) => shown(key, listing.keys, now, keys.policy)),
    secrets,
    nodes: listing.nodes.map((node) => ({ ...node, live: node.seenAgo <= LIVE })),
    keyEncryption: { here: keys.kekIds, inUse },
    ...(Number.isFinite(nextTransitionAt) && { nextTransition: dateOf(nextTransitionAt) }),
    warnings: warningsAbout(listing, keys, inUse),
  };
}

function shown(key: KeyRecord, all: readonly KeyRecord[], now: number, policy: KeyPolicy): KeyShown {
  const { kid, algorithm, state, held, activatedEarly, revocationReason: reason } = key;
  const since = sinceWhen(key);
  const next = held ? undefined : nextOf(key, all, policy);
  return {
    kid,
    algorithm,
    state,
    age: Math.max(0, Math.floor((now - since) / 1000)),
    since: dateOf(since),
    ...(next && { next: { change: next.change, at: dateOf(next.at) } }),
    ...(held && { held }),
    ...(activatedEarly && { activatedEarly }),
    ...(reason !== undefined && { reason }),
  };
}

function sinceWhen(key: KeyRecord): number {
  const { createdAt } = key;
  const since: Record<KeyState, number | undefined> = {
    staged: createdAt,
    published: key.publishedAt,
    active: key.activatedAt,
    retiring: key.retiredAt,
    archived: key.archivedAt,
    destroyed: key.destroyedAt,
    revoked: key.revokedAt,
  };
  return since[key.state] ?? createdAt;
}

function nextOf(
  key: KeyRecord,
  all: readonly KeyRecord[],
  policy: KeyPolicy,
): { change: string; at: number } | undefined {
  const after = (since: number | undefined, seconds: number) => (since ?? key.createdAt) + seconds * 1000;
  switch (key.state) {
    case 'published': {
      const active = all.find(({ algorithm, state }) => algorithm === key.algorithm && state === 'active');
      const known = after(key.publishedAt, warmUp(policy));
      const due = active ? (active.activatedAt ?? active.createdAt) + policy.rotationPeriod * 1000 : known;
      return { change: 'signs', at: Math.max(known, due) };
    }
    case 'retiring':
      return key.hasPrivateHalf
        ? { change: 'private half erased', at: after(key.retiredAt, lastSignature(policy)) }
        : { change: 'leaves the key set', at: after(key.retiredAt, retention(policy, key.tokenLifetime)) };
    case 'archived':
      return { change: 'destroyed', at: after(key.archivedAt, policy.hintRetention) };
    default:
      return undefined;
  }
}

function warningsAbout(
  { keys, nodes, now, version, nextTransitionAt }: KeyListing,
  { store, kekIds, policy }: KeyAdministration,
  kekIdsInUse: readonly string[],
): string[] {
  const facts: KeyFacts = {
    version,
    keys,
    algorithms: store.algorithms,
    nextTransitionIn: (nextTransitionAt - now) / 1000,
    // Whoever asks wants to know at once.
    ...(missingKeys(keys, store.algorithms).length > 0 && { sparesMissingFor: Number.POSITIVE_INFINITY }),
    versionSince: (now - lastChange(keys)) / 1000,
    nodes: nodes.filter(({ seenAgo }) => seenAgo <= LIVE),
    ofDatabase: { kekIdsInUse, here: kekIds },
  };
  return keyWarnings(facts, policy).map(({ text }) => text);
}

function lastChange(keys: readonly KeyRecord[]): number {
  const times = keys.flatMap((key) => [key.createdAt, key.publishedAt, key.activatedAt, key.retiredAt, key.revokedAt]);
  return Math.max(0, ...times.filter((time) => time !== undefined));
}

export function describeKeys({ version, keys, secrets, nodes, keyEncryption, warnings }: KeysShown): string {
  const keyRows = keys.map(({ kid, algorithm, state, age, next, held, reason }) => [
    ...[kid, algorithm, state, inWords(age)],
    held ? 'held' : next ? `${next.change} ${next.at}` : reason,
  ]);
  const secretRows = secrets.map(({ id, purpose, state, age }) => [id, purpose, state, inWords(age)]);
  const nodeRows = nodes.map(({ id, version: seen, seenAgo, kekIds, live }) => [
    ...[id, seen, `${inWords(seenAgo)} ago`, live ? kekIds.join(' ') : 'gone'],
  ]);
  return [
    tableOf(['KID', 'ALGORITHM', 'STATE', 'FOR', 'NEXT'], keyRows),
    tableOf(['SECRET', 'PURPOSE', 'STATE', 'FOR'], secretRows),
    nodeRows.length === 0 ? 'No nodes.' : tableOf(['NODE', 'VERSION', 'SEEN', 'KEY-ENCRYPTION KEYS'], nodeRows),
    `Version ${version}. Key-encryption keys here: ${keyEncryption.here.join(', ')}; needed: ${keyEncryption.inUse.join(', ')}.`,
    ...warnings.map((warning) => `Warning: ${warning}`),
  ].join('\n\n');
}
