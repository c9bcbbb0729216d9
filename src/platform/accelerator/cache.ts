import type { Topic } from './topics.ts';

export interface CacheOptions<Value> {
  name: string;
  /** Milliseconds since a value began to be read that it may be used, on every node, whatever gets lost. */
  maxAge: number;
  mostEntries: number;
  /** Asks what is true. */
  read(key: string): Promise<Value | undefined>;
  /**
   * `process`: each node remembers what it read itself, and its own clock alone decides how long.
   * `shared`: nodes also read from each other what one of them has read, where they have something in common. Values are JSON. How
   * old such a value is depends on the clocks of two nodes: it may be used for as much longer as these differ.
   */
  level: 'process' | 'shared';
  /** Also remembers that there is nothing under a key. */
  keepsMissing?: boolean;
  /** While a value is read that is the same as before, the object that was given out before is given out again. */
  isSame?(one: Value, other: Value): boolean;
  /** Milliseconds of a clock that only goes forward. */
  now?: () => number;
}

export interface Cache<Value> {
  find(key: string): Value | undefined | Promise<Value | undefined>;
  /**
   * After the commit of a change: this node reads anew at once, the others as soon as they are told, and at the latest after
   * `maxAge`. Resolves when they are being told.
   */
  forget(key: string): Promise<void>;
}

/** What nodes have in common. Never rejects. */
export interface SharedEntries {
  /** Undefined when there is none, or it was altered. */
  read(cache: string, key: string): Promise<SharedEntry | undefined>;
  write(cache: string, key: string, entry: SharedEntry, milliseconds: number): void;
  remove(cache: string, key: string): Promise<void>;
}

export interface SharedEntry {
  /** By the clock of the node that read it, in milliseconds. */
  readAt: number;
  /** `[]` when there was nothing. */
  value: [] | [unknown];
}

/** Tells where an answer came from. */
export type CountReads = (cache: string) => Record<'process' | 'shared' | 'miss', () => void>;

export interface CacheParts {
  topic: Topic;
  shared?: SharedEntries;
  countReads?: CountReads;
}

interface Kept<Value> {
  value: Value | undefined;
  until: number;
}

interface Reading<Value> {
  answer: Promise<Value | undefined>;
  /** What is asked for later than this must be read anew. */
  until: number;
  isForgotten: boolean;
}

const uncounted = { process() {}, shared() {}, miss() {} };

/** Nothing is ever older than its `maxAge`, and what a node changed itself is never older than the change. */
export function createCache<Value>(
  { name, maxAge, mostEntries, read, level, keepsMissing, isSame, now = () => performance.now() }: CacheOptions<Value>,
  { topic, shared: store, countReads }: CacheParts,
): Cache<Value> & { clear(): void } {
  const shared = level === 'shared' ? store : undefined;
  const count = countReads?.(name) ?? uncounted;
  const kept = new Map<string, Kept<Value>>();
  /** Under way, the latest last. */
  const readings = new Map<string, Reading<Value>[]>();
  /** When a key was last forgotten, by the clock that all use: what was shared before then is not believed. */
  const forgotten = new Map<string, number>();

  function readAnew(key: string): Promise<Value | undefined> {
    const reading: Reading<Value> = { until: now() + maxAge, answer: Promise.resolve(undefined), isForgotten: false };
    readings.set(key, [...(readings.get(key) ?? []), reading]);
    reading.answer = lookUp(key, reading).finally(() => {
      const others = readings.get(key)?.filter((other) => other !== reading);
      if (others && others.length > 0) readings.set(key, others);
      else readings.delete(key);
    });
    return reading.answer;
  }

  async function lookUp(key: string, reading: Reading<Value>): Promise<Value | undefined> {
    const entry = shared && (await findShared(key));
    if (entry) {
      count.shared();
      return keep(key, reading, entry.value[0] as Value | undefined, now() + maxAge - entry.age);
    }
    count.miss();
    const [until, readAt] = [now() + maxAge, Date.now()];
    const found = await read(key);
    if (shared && !reading.isForgotten && (found !== undefined || keepsMissing)) {
      shared.write(name, key, { readAt, value: found === undefined ? [] : [found] }, maxAge);
    }
    return keep(key, reading, found, until);
  }

  async function findShared(key: string): Promise<(SharedEntry & { age: number }) | undefined> {
    const entry = await shared!.read(name, key);
    if (!entry || (entry.value.length === 0 && !keepsMissing)) return undefined;
    const age = Date.now() - entry.readAt;
    // From the future is as doubtful as too old: some clock is wrong.
    if (!(age >= 0 && age < maxAge) || entry.readAt <= (forgotten.get(key) ?? 0)) return undefined;
    return { ...entry, age };
  }

  /** What was asked for before it was forgotten may be what was true before the change: it is answered, and not kept. */
  function keep(key: string, reading: Reading<Value>, found: Value | undefined, until: number): Value | undefined {
    if (reading.isForgotten) return found;
    const known = kept.get(key);
    const isKnown = known?.value !== undefined && found !== undefined && isSame?.(known.value, found);
    const value = isKnown ? known.value : found;
    // A reading that began later was faster.
    if (known && known.until > until) return value;
    kept.delete(key);
    if (found === undefined && !keepsMissing) return undefined;
    kept.set(key, { value, until });
    if (kept.size > mostEntries) kept.delete(kept.keys().next().value!);
    return value;
  }

  function abandonReadings(key: string): void {
    for (const reading of readings.get(key) ?? []) reading.isForgotten = true;
    readings.delete(key);
  }

  function drop(key: string): void {
    kept.delete(key);
    abandonReadings(key);
    if (!shared) return;
    const time = Date.now();
    forgotten.delete(key);
    forgotten.set(key, time);
    // What is older than that is too old to be believed by itself.
    for (const [oldest, at] of forgotten) {
      if (at > time - maxAge && forgotten.size <= mostEntries) break;
      forgotten.delete(oldest);
    }
  }

  topic.subscribe(drop);

  return {
    find(key) {
      const known = kept.get(key);
      if (known && now() < known.until) {
        count.process();
        return known.value;
      }
      const reading = readings.get(key)?.at(-1);
      return reading && now() < reading.until ? reading.answer : readAnew(key);
    },

    async forget(key) {
      drop(key);
      await shared?.remove(name, key);
      await topic.publish(key);
    },

    clear() {
      kept.clear();
      for (const key of readings.keys()) abandonReadings(key);
    },
  };
}
