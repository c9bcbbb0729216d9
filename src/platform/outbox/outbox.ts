import { v7 as uuidv7 } from 'uuid';
import type { Database } from '../database/database.ts';
import type { LoggedEffect, NewEffect } from './effect.ts';
import { findEffect, insertEffect, type LogQuery, listEffects, retryEffect, type Transaction } from './outbox.store.ts';
import { type PayloadEncryption, payloadIdentity } from './sealed-payload.ts';

export type { Transaction } from './outbox.store.ts';

/** With the pauses between them about half a day; then somebody has to look. */
export const TRIES = 24;

/** What the log may show of a text that somebody else had a hand in. */
const LONGEST_SUMMARY = 200;

export interface Outbox {
  /** It happens once the transaction is committed, at least once, and not at all when it is not. */
  add(tx: Transaction, effect: NewEffect): Promise<void>;
  /** Newest first. */
  list(query: LogQuery): Promise<LoggedEffect[]>;
  find(id: string): Promise<LoggedEffect | undefined>;
  /** Lets a dead one live again, and one that waits not wait any longer. `record`: what else is written in the same transaction. */
  retry(id: string, record?: RecordRetry): Promise<'done' | 'not_found' | 'delivered' | 'erased' | 'delivering'>;
  /** Calls `listener` when something was added here, before it is committed. */
  onAdd(listener: () => void): void;
}

export type RecordRetry = (tx: Transaction, effect: Pick<LoggedEffect, 'id' | 'kind'>) => Promise<void>;

export interface OutboxOptions {
  database: Pick<Database, 'pool' | 'prisma'>;
  encryption: PayloadEncryption;
}

export function createOutbox({ database: { pool, prisma }, encryption }: OutboxOptions): Outbox {
  const listeners: (() => void)[] = [];
  return {
    async add(tx, { kind, target, summary, payload, usefulFor }) {
      const id = uuidv7();
      const plain = Buffer.from(JSON.stringify(payload));
      await insertEffect(tx, {
        id,
        kind,
        target,
        summary: summary.slice(0, LONGEST_SUMMARY),
        ...encryption.seal(plain, payloadIdentity({ id, kind, target })),
        triesAllowed: TRIES,
        ...(usefulFor !== undefined && { usefulFor }),
      });
      for (const listener of listeners) listener();
    },
    list: (query) => listEffects(pool, query),
    find: (id) => findEffect(pool, id),
    async retry(id, record) {
      const isRetried = await prisma.$transaction(async (tx) => {
        const kind = await retryEffect(tx, id, TRIES);
        if (kind !== undefined) await record?.(tx, { id, kind });
        return kind !== undefined;
      });
      if (isRetried) {
        for (const listener of listeners) listener();
        return 'done';
      }
      const effect = await findEffect(pool, id);
      if (!effect) return 'not_found';
      if (effect.state === 'delivered') return 'delivered';
      return effect.canBeRetried ? 'delivering' : 'erased';
    },
    onAdd: (listener) => void listeners.push(listener),
  };
}
