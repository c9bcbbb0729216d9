import type { Logger } from '../platform/logger.ts';

/** Milliseconds between two notes of one key. */
export const NOTE_INTERVAL = 60_000;
const FLUSH_INTERVAL = 5_000;
/** Keys whose uses wait to be noted. What is more is not noted: when a key was last used is worth no memory without bound. */
const MOST_KEYS = 50_000;

export interface LastUse {
  /** Hot: costs an entry in a map. */
  used(id: string): void;
  /** Notes what is due; at the end everything. */
  flush(all?: boolean): Promise<void>;
  close(): Promise<void>;
}

export interface LastUseOptions {
  /** Writes in one statement. `age`: milliseconds since the use. */
  write(uses: { id: string; age: number }[]): Promise<void>;
  logger: Pick<Logger, 'warn'>;
  /** Milliseconds of a clock that only goes forward. */
  now?: () => number;
  flushInterval?: number;
}

/**
 * Remembers uses and notes the latest of each key at most once a minute, all keys in one statement: never a write a request. What was
 * not noted yet is lost with a process that crashes, and nothing depends on it.
 */
export function createLastUse({
  write,
  logger,
  now = () => performance.now(),
  flushInterval = FLUSH_INTERVAL,
}: LastUseOptions): LastUse {
  /** When each was used last, of those with uses that are not noted. */
  let waiting = new Map<string, number>();
  /** When each was noted last. */
  const noted = new Map<string, number>();
  let flushing: Promise<void> = Promise.resolve();

  async function note(all: boolean): Promise<void> {
    const time = now();
    for (const [id, at] of noted) if (at <= time - NOTE_INTERVAL) noted.delete(id);
    const due = [...waiting].filter(([id]) => all || !noted.has(id));
    if (due.length === 0) return;
    for (const [id] of due) {
      waiting.delete(id);
      noted.set(id, time);
    }
    try {
      await write(due.map(([id, usedAt]) => ({ id, age: Math.max(0, Math.round(time - usedAt)) })));
    } catch (error) {
      // Next time, unless it was used again meanwhile.
      waiting = new Map([...due, ...waiting]);
      for (const [id] of due) noted.delete(id);
      logger.warn({ error, keys: due.length }, 'when API keys were last used could not be noted');
    }
  }

  function flush(all = false): Promise<void> {
    flushing = flushing.then(() => note(all));
    return flushing;
  }

  const timer = setInterval(() => void flush(), flushInterval).unref();

  return {
    used(id) {
      if (waiting.size < MOST_KEYS || waiting.has(id)) waiting.set(id, now());
    },
    flush,
    async close() {
      clearInterval(timer);
      await flush(true);
    },
  };
}
