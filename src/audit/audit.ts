import type { Database } from '../platform/database/database.ts';
import type { Logger } from '../platform/logger.ts';
import { printable } from '../platform/printable.ts';
import { type AuditRow, createInserter, createSingleInserter, insertWithin, type Transaction } from './audit.store.ts';
import {
  type AuditContext,
  type AuditFunctions,
  type AuditWriter,
  createAuditFunctions,
  type NamedEvent,
} from './audit-event.ts';
import { createAuditQueue } from './audit-queue.ts';
import type { CountEvent } from './event-counts.ts';
import { eventId, eventIdOf } from './event-id.ts';
import { createOnce } from './once.ts';

export type { AuditRow, Transaction } from './audit.store.ts';
export type { AuditContext, AuditDetails, AuditWriter } from './audit-event.ts';

/** An event whose row a statement of the caller's own may store together with what happened. */
export interface PreparedEvent {
  row: AuditRow;
  /** The row is stored: writes the log line and counts. */
  stored(): void;
  /** There was no statement to go with. */
  enqueue(): Promise<void>;
}

export interface Audit {
  /** Rows that stand or fall with the change they record. */
  in(tx: Transaction): AuditWriter;
  /** Rows that their caller stores, in the statement that makes them true. */
  prepare: AuditFunctions<PreparedEvent>;
  /** Rows of what changes nothing itself, many in one statement. May be awaited: then nothing is answered that was not recorded. */
  queue: AuditWriter;
  /**
   * A row of what many requests meet on several nodes, such as a lock: stored, told and counted by the first of them. Kept once it is.
   * @param identity what tells it from others that began in the same millisecond
   * @param since milliseconds since 1970
   */
  once(identity: string, since: number): AuditWriter;
  /** False while the database does not keep up with `queue`. */
  hasRoom(): boolean;
  close(): Promise<void>;
}

export interface AuditOptions {
  database: Pick<Database, 'pool'>;
  logger: Pick<Logger, 'info' | 'warn' | 'error'>;
  /** Called for each event once its row is stored; in a transaction, before the transaction is. Absent: nobody reads figures. */
  count?: CountEvent | undefined;
}

/** The append-only record of who did what: each event is a row, a log line and a count, written by one call. S-175 */
export function createAudit({ database, logger, count }: AuditOptions): Audit {
  const insert = createInserter(database.pool);
  const insertOnce = createSingleInserter(database.pool);
  const once = createOnce();
  const queue = createAuditQueue<{ row: AuditRow; since: number }>({
    insert: (entries) =>
      insert(entries.map(({ row, since }) => ({ ...row, age: Math.round(performance.now() - since) }))),
  });

  function tell({ type, level }: NamedEvent, row: AuditRow): void {
    logger[level](lineOf(row), type);
  }

  function writer(store: (row: AuditRow) => Promise<void>): AuditWriter {
    return createAuditFunctions((event, details, by) => {
      const row = rowOf(event.type, printable(details), printable(by));
      tell(event, row);
      const stored = store(row);
      // For callers that do not wait: the line above is then the only record, and this one says so.
      stored.then(count && (() => count(event.name, details)), (error) =>
        logger.error({ error, event: event.type, id: row.id }, 'an audit row was not stored'),
      );
      return stored;
    });
  }

  const queued = writer((row) => queue.add({ row, since: performance.now() }));

  return {
    in: (tx) => writer((row) => insertWithin(tx, row)),
    prepare: createAuditFunctions((event, details, by) => ({
      row: rowOf(event.type, printable(details), printable(by)),
      stored() {
        tell(event, this.row);
        count?.(event.name, details);
      },
      enqueue: () => (queued[event.name] as (details: object, by: AuditContext) => Promise<void>)(details, by),
    })),
    queue: queued,
    once: (identity, since) =>
      createAuditFunctions((event, details, by) => {
        const id = eventIdOf(`${event.type} ${identity}`, since);
        return once(id, async () => {
          const row = { ...rowOf(event.type, printable(details), printable(by)), id };
          if (!(await insertOnce(row))) return;
          tell(event, row);
          count?.(event.name, details);
        });
      }),
    hasRoom: () => queue.hasRoom(),
    close: () => queue.close(),
  };
}

function rowOf(type: string, event: Record<string, unknown>, { address, requestId, actor }: AuditContext): AuditRow {
  const { userId, clientId, sessionId, ...details } = event as Record<string, string | undefined>;
  const columns = {
    user_id: userId,
    client_id: clientId,
    session_id: sessionId,
    actor,
    address,
    request_id: requestId,
  };
  return { id: eventId(), age: 0, type, ...columns, details };
}

/** The same, under the names that every other log line uses. */
function lineOf({ id, user_id, client_id, session_id, actor, address, request_id, details }: AuditRow) {
  return {
    id,
    userId: user_id,
    clientId: client_id,
    sessionId: session_id,
    actor,
    address,
    requestId: request_id,
    details,
  };
}
