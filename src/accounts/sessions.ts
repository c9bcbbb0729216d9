import type { Audit, AuditContext, AuditRow, PreparedEvent, Transaction } from '../audit/audit.ts';
import type { Database } from '../platform/database/database.ts';
import { retryConflicts } from '../platform/database/statement-batch.ts';
import { waitForLocks } from '../platform/database/wait-for-locks.ts';
import type { Logger } from '../platform/logger.ts';
import { isAccountId } from './account.ts';
import { deviceName, printableUserAgent } from './device-name.ts';
import { createSessionStore, endSessionsOf, type StartedRow, type UserSession } from './sessions.store.ts';

export type { StartedRow, UserSession } from './sessions.store.ts';

const MINUTE = 60_000;
/** More uses than this are written at once, whatever the clock says. */
const MOST_TOUCHED = 10_000;

export interface NewUserSession extends AuditContext {
  /** The engine's session uid. */
  uid: string;
  userId: string;
  amr: string[];
  /** The upstream that the sign-in came from. */
  provider?: string;
  userAgent?: string;
}

/** A sign-in whose rows a statement of the caller's own stores. */
export interface PreparedStart {
  row: StartedRow;
  record: AuditRow;
  /** Both are stored. */
  stored(): void;
}

export interface UserSessions {
  /** A person has signed in. Writes the audit event too. */
  start(session: NewUserSession): Promise<void>;
  /** The same for whoever stores it together with the session itself. */
  prepareStart(session: NewUserSession): PreparedStart;
  /** It was used. At most one write a minute for each session; the last minute is lost with the process. */
  touch(uid: string): void;
  /** Those that have not ended, last used first. */
  list(userId: string): Promise<UserSession[]>;
  /** Which upstream the sign-in came from; undefined when it was proven here, or there is no such session. */
  providerOf(uid: string): Promise<string | undefined>;
  /** Ends one of this person's sessions, everywhere and at once. */
  end(session: { userId: string; uid: string }, by: AuditContext): Promise<'done' | 'not_found'>;
  /** Ends all of them, or all but the one that asks. Returns how many. */
  endAll(sessions: { userId: string; except?: string }, by: AuditContext): Promise<number>;
  /** What is recorded of a sign-out, for the statement that ends the session. Whose it was is for that to say. */
  prepareEnd(uid: string, by: AuditContext): PreparedEvent;
  close(): Promise<void>;
}

export interface UserSessionsOptions {
  database: Pick<Database, 'pool' | 'prisma'>;
  audit: Pick<Audit, 'in' | 'prepare' | 'queue'>;
  logger: Pick<Logger, 'warn'>;
  /** Seconds without use after which the engine has forgotten a session. */
  lifetime: number;
  /** Ends the engine's session and all that hangs on it, inside the transaction. */
  endSession(tx: Transaction, uid: string): Promise<void>;
}

/** What people see of their sessions: where, with what, when last. Whether one is valid is the engine's knowledge, not this. */
export function createUserSessions(options: UserSessionsOptions): UserSessions {
  const { database, audit, logger, lifetime, endSession } = options;
  const store = createSessionStore(database.pool);
  let touched = new Map<string, number>();
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();

  function write(): void {
    clearTimeout(timer);
    timer = undefined;
    if (touched.size === 0) return;
    const now = performance.now();
    const used = new Map([...touched].map(([uid, at]) => [uid, now - at]));
    touched = new Map();
    writing = writing
      .then(() => store.touch(used))
      .catch((error) => logger.warn({ error }, 'the last use of sessions was not stored'));
  }

  function prepareStart({ uid, userId, amr, provider, userAgent, ...by }: NewUserSession): PreparedStart {
    const device = deviceName(userAgent);
    const row = { uid, user_id: userId, user_agent: printableUserAgent(userAgent), device, address: by.address, amr };
    const details = { ...(provider !== undefined && { provider }), ...(device && { device }) };
    const event = audit.prepare.sessionStarted({ sessionId: uid, userId, amr, ...details }, by);
    return { row: { ...row, provider }, record: event.row, stored: () => event.stored() };
  }

  function endEach(which: { uid: string } | { except?: string }, userId: string, by: AuditContext): Promise<number> {
    // Ending a session locks grants and tokens that requests under way lock too.
    return retryConflicts(() =>
      database.prisma.$transaction(async (tx) => {
        await waitForLocks(tx);
        const ended = await endSessionsOf(tx, userId, which);
        for (const uid of ended) {
          await endSession(tx, uid);
          await audit.in(tx).sessionEnded({ sessionId: uid, userId, reason: 'ended_from_list' }, by);
        }
        return ended.length;
      }),
    );
  }

  return {
    async start(session) {
      const { row, record, stored } = prepareStart(session);
      await store.start(row, record);
      stored();
    },

    prepareStart,

    touch(uid) {
      touched.set(uid, performance.now());
      if (touched.size >= MOST_TOUCHED) write();
      else timer ??= setTimeout(write, MINUTE).unref();
    },

    async list(userId) {
      return isAccountId(userId) ? store.list(userId, lifetime) : [];
    },

    providerOf: (uid) => store.providerOf(uid),

    async end({ userId, uid }, by) {
      if (!isAccountId(userId)) return 'not_found';
      return (await endEach({ uid }, userId, by)) > 0 ? 'done' : 'not_found';
    },

    async endAll({ userId, except }, by) {
      return isAccountId(userId) ? endEach({ except }, userId, by) : 0;
    },

    prepareEnd: (uid, by) => audit.prepare.sessionEnded({ sessionId: uid, reason: 'signed_out' }, by),

    async close() {
      write();
      await writing;
    },
  };
}
