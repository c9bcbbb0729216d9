import { availableParallelism } from 'node:os';

/** Weight of the newest duration in the running average. */
const NEWEST = 0.2;

export interface HashQueueOptions {
  /** Hashes at once. */
  concurrency?: number;
  /** Milliseconds of work that may wait. */
  patience?: number;
  /** Milliseconds that one hash takes, before the first was measured. */
  expected: number;
}

/** A place in the queue, taken before anything is counted or computed. */
export interface HashPlace {
  /** Waits for its turn, does the work and gives the place back. */
  run<T>(work: () => Promise<T>): Promise<T>;
  /** Gives the place back unused. */
  release(): void;
}

export type HashReservation = { kind: 'reserved'; place: HashPlace } | { kind: 'busy'; retryAfter: number };

export interface HashQueue {
  /** `source` is who asks: one of them cannot fill the queue alone. */
  reserve(source?: string): HashReservation;
  statistics(): { taken: number; running: number };
}

/** More would delay token signatures, which share their threads. */
const MOST_AT_ONCE = 2;

/** Hashes that one of so many processes may compute at once, so that all of them together keep to the cores there are. */
export function hashesAtOnce(processes: number, cores: number = availableParallelism()): number {
  return Math.max(1, Math.min(MOST_AT_ONCE, Math.floor(cores / processes)));
}

/** Bounds the work of password hashing per process: what does not fit is told so at once. S-123 */
export function createHashQueue({
  concurrency = MOST_AT_ONCE,
  patience = 2_000,
  expected,
}: HashQueueOptions): HashQueue {
  const turns: (() => void)[] = [];
  const takenBy = new Map<string, number>();
  let average = expected;
  let taken = 0;
  let running = 0;

  function capacity(): number {
    return concurrency + Math.max(concurrency, Math.floor((patience / average) * concurrency));
  }

  function isFullFor(source: string | undefined): boolean {
    if (taken >= capacity()) return true;
    return source !== undefined && (takenBy.get(source) ?? 0) >= Math.ceil(capacity() / 2);
  }

  function count(source: string | undefined, change: 1 | -1): void {
    taken += change;
    if (source === undefined) return;
    const next = (takenBy.get(source) ?? 0) + change;
    if (next > 0) takenBy.set(source, next);
    else takenBy.delete(source);
  }

  async function perform<T>(work: () => Promise<T>): Promise<T> {
    if (running >= concurrency) await new Promise<void>((resolve) => turns.push(resolve));
    else running += 1;
    const start = performance.now();
    try {
      return await work();
    } finally {
      average += (performance.now() - start - average) * NEWEST;
      // The turn goes straight to the next, so that nobody can come in between.
      const next = turns.shift();
      if (next) next();
      else running -= 1;
    }
  }

  return {
    reserve(source) {
      if (isFullFor(source)) {
        return { kind: 'busy', retryAfter: Math.max(1, Math.ceil((taken * average) / concurrency / 1000)) };
      }
      count(source, 1);
      let held = true;
      const release = () => {
        if (held) count(source, -1);
        held = false;
      };
      const place: HashPlace = {
        run: (work) => perform(work).finally(release),
        release,
      };
      return { kind: 'reserved', place };
    },
    statistics: () => ({ taken, running }),
  };
}
