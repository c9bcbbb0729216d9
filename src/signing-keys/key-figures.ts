import type { NodeRecord } from './key-nodes.ts';
import type { Algorithm } from './key-pair.ts';
import type { KeyRecord, KeyState } from './key-record.ts';
import { type KeyWarning, keyWarnings } from './key-warnings.ts';
import { nextTransitionAt } from './life-cycle.ts';
import type { KeyPolicy } from './timing.ts';

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
    warnings: keyWarnings({ ...parts, nextTransitionIn, ofNode: parts }, policy),
  };
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
