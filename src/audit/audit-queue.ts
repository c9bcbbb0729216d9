import { isUnavailable } from '../platform/database/database-errors.ts';
import { unavailable } from '../platform/errors.ts';

export interface AuditQueueOptions<Row> {
  /** Stores all rows or none. */
  insert(rows: Row[]): Promise<void>;
  /** Milliseconds that a row waits for company at most. */
  patience?: number;
  /** Rows in one statement. */
  largest?: number;
  /** Rows that may wait while the database does not keep up. */
  capacity?: number;
}

export interface AuditQueue<Row> {
  /** Kept once the row is stored. @throws AppError unavailable, when too many rows wait or the database cannot be asked */
  add(row: Row): Promise<void>;
  /** False while the queue is full: what would have to be recorded should not be done. */
  hasRoom(): boolean;
  /** Stores what waits and takes nothing more. */
  close(): Promise<void>;
}

interface Waiting<Row> {
  row: Row;
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * Puts the rows of many callers into one statement. One statement at a time: while the database is slow, the next one grows
 * instead of a queue of small ones.
 */
export function createAuditQueue<Row>({
  insert,
  patience = 20,
  largest = 500,
  capacity = 10_000,
}: AuditQueueOptions<Row>): AuditQueue<Row> {
  let waiting: Waiting<Row>[] = [];
  let timer: NodeJS.Timeout | undefined;
  let sending: Promise<void> | undefined;
  let closed = false;

  function schedule() {
    if (sending || waiting.length === 0) return;
    if (waiting.length >= largest || closed) send();
    else timer ??= setTimeout(send, patience);
  }

  function send() {
    clearTimeout(timer);
    timer = undefined;
    const batch = waiting.slice(0, largest);
    waiting = waiting.slice(largest);
    sending = store(batch).then(() => {
      sending = undefined;
      schedule();
    });
  }

  async function store(batch: Waiting<Row>[]): Promise<void> {
    try {
      await insert(batch.map(({ row }) => row));
      for (const { resolve } of batch) resolve();
    } catch (error) {
      // A row that the database refuses must not take the others with it.
      if (isUnavailable(error) || batch.length === 1) {
        for (const { reject } of batch) reject(isUnavailable(error) ? unavailable(1, error) : error);
      } else {
        for (const one of batch) await store([one]);
      }
    }
  }

  return {
    add(row) {
      if (closed || waiting.length >= capacity) {
        return Promise.reject(unavailable(1, new Error('the audit queue is closed or full')));
      }
      return new Promise((resolve, reject) => {
        waiting.push({ row, resolve, reject });
        schedule();
      });
    },
    hasRoom: () => waiting.length < capacity,
    async close() {
      closed = true;
      if (!sending && waiting.length > 0) send();
      while (sending) await sending;
    },
  };
}
