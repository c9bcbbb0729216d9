export interface BoundedLogOptions {
  /** Lines of one kind in a period. */
  lines?: number;
  /** Milliseconds. */
  period?: number;
  now?: () => number;
}

/** How many lines of this kind were left out since the last one that was written; undefined where this one is to be left out too. */
export type BoundedLog = (kind: string) => number | undefined;

/**
 * Decides which lines about what strangers can cause without end are written: so many of a kind in a period. Kinds come out of short
 * lists. The first line that is written after some were left out says how many. S-175
 */
export function createBoundedLog({ lines = 20, period = 60_000, now = Date.now }: BoundedLogOptions = {}): BoundedLog {
  const kinds = new Map<string, { since: number; written: number; leftOut: number }>();
  return (kind) => {
    const at = now();
    let seen = kinds.get(kind);
    if (!seen) {
      seen = { since: at, written: 0, leftOut: 0 };
      kinds.set(kind, seen);
    }
    if (at - seen.since >= period || at < seen.since) {
      seen.since = at;
      seen.written = 0;
    }
    if (seen.written >= lines) {
      seen.leftOut += 1;
      return undefined;
    }
    seen.written += 1;
    const { leftOut } = seen;
    seen.leftOut = 0;
    return leftOut;
  };
}
