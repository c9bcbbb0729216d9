import { setTimeout as pause } from 'node:timers/promises';
import { unavailable } from '../errors.ts';
import { isUnavailable } from './database-errors.ts';
import { untilLocked } from './until-locked.ts';

const DEADLOCK = '40P01';
const SERIALIZATION_FAILURE = '40001';
const ATTEMPTS = 5;

/**
 * A connection gives up a lock after half a second, sooner than PostgreSQL sees that two wait for each other. The first to give up lets
 * the other one through, and is done at the second try; a lock that stays taken is given up after the second half of a second.
 */
const ONCE_MORE = { patience: 750, pauseFor: () => Math.random() * 20 };

/** Callers from which on it is worth to wait for those who are likely to come back, and for how many milliseconds. */
const CROWD = 4;
const GATHER = 1;

export interface StatementBatchOptions<Item, Outcome> {
  /** Sends one statement for all items and returns one outcome for each, in order. It happens whole or not at all, or may be repeated. */
  send(items: Item[]): Promise<Outcome[]>;
  /** Items that share a key never travel together: the later one waits until the earlier one is done. */
  keysOf?(item: Item): readonly string[];
  maxItems?: number;
  /** Statements at once. A second one starts only when the first does not return within `patience` milliseconds. */
  maxInFlight?: number;
  patience?: number;
}

interface Waiting<Item, Outcome> {
  item: Item;
  resolve(outcome: Outcome): void;
  reject(error: unknown): void;
}

/**
 * Puts what many callers want at the same moment into one statement: all of one turn of the event loop, and all that
 * arrived while the previous statement was under way. An idle service sends at once, a busy one sends less often, larger.
 * After a crowd it waits a moment for as many again: without that two halves of the callers take turns, which is two statements
 * for what could be one, and everybody waits for both.
 * A caller's failure stays its own: when a statement fails, its items are sent again one by one.
 * @throws AppError unavailable, when the database cannot be asked in time
 */
export function createStatementBatch<Item, Outcome>({
  send,
  keysOf,
  maxItems = 128,
  maxInFlight = 4,
  patience = 20,
}: StatementBatchOptions<Item, Outcome>): (item: Item) => Promise<Outcome> {
  let waiting: Waiting<Item, Outcome>[] = [];
  let inFlight = 0;
  const keysInFlight = new Set<string>();
  let soon: NodeJS.Immediate | undefined;
  let gathering: NodeJS.Timeout | undefined;
  let impatience: NodeJS.Timeout | undefined;
  let expected = 0;

  function schedule() {
    if (soon) return;
    if (inFlight === 0 && expected >= CROWD && waiting.length < expected) {
      gathering ??= setTimeout(start, GATHER);
    } else if (inFlight === 0) {
      soon = setImmediate(start);
    } else if (inFlight < maxInFlight && !impatience) {
      impatience = setTimeout(start, patience);
    }
  }

  function start() {
    clearImmediate(soon);
    clearTimeout(gathering);
    clearTimeout(impatience);
    soon = gathering = impatience = undefined;
    const batch = take();
    if (batch.length === 0) return;
    const keys = batch.flatMap(({ item }) => keysOf?.(item) ?? []);
    for (const key of keys) keysInFlight.add(key);
    inFlight += 1;
    deliver(send, batch).then(() => {
      inFlight -= 1;
      // Those who have their answer, if they come again, and those who came meanwhile. One alone is no crowd, whoever waits for it.
      expected = batch.length > 1 ? Math.min(batch.length + waiting.length, maxItems) : 0;
      for (const key of keys) keysInFlight.delete(key);
      if (waiting.length > 0) schedule();
    });
    if (waiting.length > 0) schedule();
  }

  function take(): Waiting<Item, Outcome>[] {
    if (waiting.length <= maxItems && !keysOf) {
      const batch = waiting;
      waiting = [];
      return batch;
    }
    const batch: Waiting<Item, Outcome>[] = [];
    const later: Waiting<Item, Outcome>[] = [];
    const taken = new Set(keysInFlight);
    for (const one of waiting) {
      const keys = keysOf?.(one.item) ?? [];
      const free = batch.length < maxItems && !keys.some((key) => taken.has(key));
      (free ? batch : later).push(one);
      for (const key of keys) taken.add(key);
    }
    waiting = later;
    return batch;
  }

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      schedule();
    });
}

async function deliver<Item, Outcome>(
  send: (items: Item[]) => Promise<Outcome[]>,
  batch: Waiting<Item, Outcome>[],
): Promise<void> {
  try {
    const sent = () => retryConflicts(() => send(batch.map(({ item }) => item)));
    const outcomes = await untilLocked(sent, ONCE_MORE);
    for (const [index, { resolve }] of batch.entries()) resolve(outcomes[index] as Outcome);
  } catch (error) {
    if (isUnavailable(error)) {
      for (const { reject } of batch) reject(unavailable(1, error));
    } else if (batch.length > 1) {
      for (const one of batch) await deliver(send, [one]);
    } else {
      batch[0]?.reject(error);
    }
  }
}

/**
 * Runs `work` again when PostgreSQL chose it as the victim of a deadlock or of a serialization conflict.
 * Give it a whole transaction or a single statement, never a part of one.
 */
export async function retryConflicts<Result>(work: () => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (attempt === ATTEMPTS || !isConflict(error)) throw error;
      await pause(Math.random() * 10 * 2 ** attempt);
    }
  }
}

/** Looks into causes too, since Prisma and its adapter wrap what the driver said. P2034 is Prisma's name for both. */
function isConflict(error: unknown, depth = 0): boolean {
  if (!error || typeof error !== 'object' || depth > 4) return false;
  const { code, originalCode, cause, meta } = error as Record<string, unknown>;
  if (
    [code, originalCode].some((value) => value === DEADLOCK || value === SERIALIZATION_FAILURE || value === 'P2034')
  ) {
    return true;
  }
  const wrapped = (meta as { driverAdapterError?: unknown } | undefined)?.driverAdapterError;
  return isConflict(cause, depth + 1) || isConflict(wrapped, depth + 1);
}
