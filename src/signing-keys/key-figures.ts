import type { NodeRecord } from './key-nodes.ts';
import type { Algorithm } from './key-pair.ts';
import type { KeyRecord, KeyState } from './key-record.ts';
import { missingKeys, nextTransitionAt } from './life-cycle.ts';
import type { KeyPolicy } from './timing.ts';

export type KeyWarningKind =
  | 'spare_missing'
  | 'transition_overdue'
  | 'versions_diverge'
  | 'key_encryption_key_missing'
  | 'key_unusable'
  | 'view_outdated'
  | 'clock_differs';

export interface KeyWarning {
  kind: KeyWarningKind;
  text: string;
}

/** What an operator watches. Times in seconds. */
export interface KeyFigures {
  version: number;
  /** Since this node was last sure to have the newest version. */
  confirmedAgo: number;
  /** Negative when it is overdue, Infinity for never. */
  nextTransitionIn: number;
  /** Those that still have a part to play; `age` is how long they have had it. */
  keys: { kid: string; algorithm: Algorithm; state: KeyState; age: number }[];
  nodes: NodeRecord[];
  kekId: string;
  warnings: KeyWarning[];
}

export interface FigureParts {
  version: number;
  confirmedAgo: number;
  keys: readonly KeyRecord[];
  /** Milliseconds since 1970, by the database. */
  now: number;
  /** Seconds by which the clock of this node's machine differs from that; negative when it is behind. */
  clockAhead: number;
  /** Seconds since this node had all keys that it needs; undefined while it has them. */
  sparesMissingFor?: number;
  /** Seconds since this node has this version. */
  versionSince: number;
  nodes: readonly NodeRecord[];
  kekId: string;
  problems: readonly string[];
  /** Of rows that this node does without. */
  unusable: readonly string[];
  algorithms: readonly Algorithm[];
}

/** Seconds for which what should happen by itself may take. */
const PATIENCE = 60;
/** Seconds by which clocks may differ. */
const CLOCK_TOLERANCE = 5;

export function keyFigures(parts: FigureParts, policy: KeyPolicy): KeyFigures {
  const { version, confirmedAgo, keys, now, nodes, kekId } = parts;
  const nextTransitionIn = (nextTransitionAt(keys, policy) - now) / 1000;
  return {
    version,
    confirmedAgo,
    nextTransitionIn,
    keys: keys
      .filter(({ state }) => state !== 'destroyed' && state !== 'revoked')
      .map((key) => ({
        kid: key.kid,
        algorithm: key.algorithm,
        state: key.state,
        age: (now - inStateSince(key)) / 1000,
      })),
    nodes: [...nodes],
    kekId,
    warnings: warningsOf(parts, nextTransitionIn, policy),
  };
}

function warningsOf(parts: FigureParts, nextTransitionIn: number, policy: KeyPolicy): KeyWarning[] {
  const {
    version,
    confirmedAgo,
    keys,
    sparesMissingFor = 0,
    versionSince,
    nodes,
    problems,
    algorithms,
    clockAhead,
  } = parts;
  const warnings: KeyWarning[] = problems.map((text) => ({ kind: 'key_encryption_key_missing', text }));
  for (const text of parts.unusable) warnings.push({ kind: 'key_unusable', text });
  if (sparesMissingFor > PATIENCE) {
    const text = `No spare signing key is published for ${missingKeys(keys, algorithms).join(', ')}.`;
    warnings.push({ kind: 'spare_missing', text });
  }
  if (nextTransitionIn < -PATIENCE) {
    const text = `A change of a signing key is overdue by ${Math.round(-nextTransitionIn)} s.`;
    warnings.push({ kind: 'transition_overdue', text });
  }
  const behind = nodes.filter((node) => node.version < version);
  if (behind.length > 0 && versionSince > policy.propagation) {
    const names = behind.map((node) => `${node.id} (${node.version})`).join(', ');
    warnings.push({ kind: 'versions_diverge', text: `Nodes do not follow key set version ${version}: ${names}.` });
  }
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

function inStateSince(key: KeyRecord): number {
  const since: Partial<Record<KeyState, number | undefined>> = {
    published: key.publishedAt,
    active: key.activatedAt,
    retiring: key.retiredAt,
    archived: key.archivedAt,
  };
  return since[key.state] ?? key.createdAt;
}
