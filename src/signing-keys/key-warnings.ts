import type { NodeRecord } from './key-nodes.ts';
import type { Algorithm } from './key-pair.ts';
import type { KeyRecord } from './key-record.ts';
import { missingKeys } from './life-cycle.ts';
import { type KeyPolicy, pollInterval } from './timing.ts';

export type KeyWarningKind =
  | 'signer_missing'
  | 'spare_missing'
  | 'transition_overdue'
  | 'versions_diverge'
  | 'key_encryption_key_missing'
  | 'key_encryption_key_old'
  | 'nodes_missing'
  | 'key_unusable'
  | 'view_outdated'
  | 'clock_differs';

export interface KeyWarning {
  kind: KeyWarningKind;
  text: string;
}

/** What is known of the keys. Times in seconds. */
export interface KeyFacts {
  version: number;
  keys: readonly KeyRecord[];
  algorithms: readonly Algorithm[];
  /** Negative when it is overdue. */
  nextTransitionIn: number;
  /** For how long a spare has been missing, as far as whoever asks knows; only while one is. */
  sparesMissingFor?: number;
  /** For how long there has been this version. */
  versionSince: number;
  /** Those that are there. */
  nodes: readonly NodeRecord[];
  /** What only the node itself knows. */
  ofNode?: {
    /** Since it was last sure to have the newest version. */
    confirmedAgo: number;
    /** By how much its clock differs from the database's; negative when it is behind. */
    clockAhead: number;
    /** Why keys that it needs cannot be opened there. */
    problems: readonly string[];
    /** Of rows that it does without. */
    unusable: readonly string[];
  };
  /** What somebody who looks at the whole database knows: the ids of key-encryption keys. The first of `here` seals. */
  ofDatabase?: { kekIdsInUse: readonly string[]; here: readonly string[] };
}

/** For what should happen by itself. */
const PATIENCE = 60;
/** By which clocks may differ. */
const CLOCK_TOLERANCE = 5;

/** What is wrong with the keys, whoever looks: a node at itself, or an operator at all of them. */
export function keyWarnings(facts: KeyFacts, policy: KeyPolicy): KeyWarning[] {
  return [
    ...warningsOfNode(facts, policy),
    ...warningsOfKeys(facts),
    ...warningsOfNodes(facts, policy),
    ...warningsOfDatabase(facts),
  ];
}

function warningsOfNode({ ofNode }: KeyFacts, policy: KeyPolicy): KeyWarning[] {
  if (!ofNode) return [];
  const { problems, unusable, confirmedAgo, clockAhead } = ofNode;
  const warnings: KeyWarning[] = [
    ...problems.map((text) => ({ kind: 'key_encryption_key_missing' as const, text })),
    ...unusable.map((text) => ({ kind: 'key_unusable' as const, text })),
  ];
  if (confirmedAgo > policy.propagation) {
    const text = `The key set was last confirmed ${Math.round(confirmedAgo)} s ago. This node does not sign.`;
    warnings.push({ kind: 'view_outdated', text });
  }
  if (Math.abs(clockAhead) > CLOCK_TOLERANCE) {
    const direction = clockAhead > 0 ? 'ahead of' : 'behind';
    const text =
      `The clock of this node is ${Math.round(Math.abs(clockAhead))} s ${direction} the database's: ` +
      'what it issues may be refused elsewhere. Synchronise both (NTP).';
    warnings.push({ kind: 'clock_differs', text });
  }
  return warnings;
}

function warningsOfKeys({ keys, algorithms, nextTransitionIn, sparesMissingFor = 0 }: KeyFacts): KeyWarning[] {
  const warnings: KeyWarning[] = [];
  const unsigned = algorithms.filter((one) => !keys.some((key) => key.algorithm === one && key.state === 'active'));
  if (unsigned.length > 0) warnings.push({ kind: 'signer_missing', text: `No key signs ${unsigned.join(', ')}.` });
  if (sparesMissingFor > PATIENCE) {
    const missing = missingKeys(keys, algorithms).join(', ');
    const text = `No spare signing key is published for ${missing}: an emergency would be felt by relying parties.`;
    warnings.push({ kind: 'spare_missing', text });
  }
  if (nextTransitionIn < -PATIENCE) {
    const text = `A change of a signing key is overdue by ${Math.round(-nextTransitionIn)} s: no node advances the keys.`;
    warnings.push({ kind: 'transition_overdue', text });
  }
  return warnings;
}

function warningsOfNodes({ version, versionSince, nodes }: KeyFacts, policy: KeyPolicy): KeyWarning[] {
  const behind = nodes.filter((node) => node.version < version);
  // What has just changed is on its way; nodes that have it say so at once, and are heard with the next report of this one.
  const heardWithin = 2 * policy.propagation + pollInterval(policy);
  if (behind.length === 0 || versionSince <= heardWithin) return [];
  const names = behind.map((node) => `${node.id} (${node.version})`).join(', ');
  return [{ kind: 'versions_diverge', text: `Nodes do not follow key set version ${version}: ${names}.` }];
}

function warningsOfDatabase({ ofDatabase, nodes }: KeyFacts): KeyWarning[] {
  if (!ofDatabase) return [];
  const { kekIdsInUse, here } = ofDatabase;
  const warnings: KeyWarning[] = [];
  if (nodes.length === 0) warnings.push({ kind: 'nodes_missing', text: 'No node was seen for a minute.' });
  for (const { id, kekIds } of nodes) {
    const missing = kekIdsInUse.filter((one) => !kekIds.includes(one));
    if (missing.length === 0) continue;
    const text = `Node ${id} lacks key-encryption key ${missing.join(', ')}.`;
    warnings.push({ kind: 'key_encryption_key_missing', text });
  }
  const others = kekIdsInUse.filter((id) => id !== here[0]);
  if (others.length > 0) {
    const text = `Secrets are sealed under ${others.join(', ')} still, not under the first key ${here[0]}: keys rewrap.`;
    warnings.push({ kind: 'key_encryption_key_old', text });
  }
  return warnings;
}
