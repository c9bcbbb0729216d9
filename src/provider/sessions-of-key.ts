import type { Audit, AuditContext } from '../audit/audit.ts';
import type { Database } from '../platform/database/database.ts';
import { retryConflicts } from '../platform/database/statement-batch.ts';
import { portionsOf } from './portions.ts';
import { endSessions, sessionsUsedSince } from './revocation.ts';

/** Sessions that end in one transaction: people whose sessions are in it wait for its end, no longer than seconds. */
const MOST_SESSIONS = 500;
/** Milliseconds, however much there is to look at. */
const LOOKING = 10 * 60_000;
/** Milliseconds, for a few statements that may each take as long as `waitForLocks` says. */
const ENDING = 60_000;

export type EndSessionsUsedSince = (key: { kid: string; since: Date }, by: AuditContext) => Promise<number>;

/**
 * Signs out every session that was used since a key began to sign. Returns how many. There may be all that there are: they end in
 * portions, each with its record or not at all, and what a portion that failed or a process that was killed left is ended by
 * doing it again.
 */
export function createEndingOfSessions({
  database: { prisma },
  audit,
}: {
  database: Pick<Database, 'prisma'>;
  audit: Pick<Audit, 'in'>;
}): EndSessionsUsedSince {
  return async function endSessionsUsedSince({ kid, since }, by) {
    // Of one snapshot: a session whose id changes meanwhile is neither missed nor, having its uid, spared.
    const uids = await prisma.$transaction((tx) => sessionsUsedSince(tx, since), {
      timeout: LOOKING,
      isolationLevel: 'RepeatableRead',
    });
    // None is a portion too, so that it is on record that there were none.
    const [first = [], ...others] = portionsOf(uids, MOST_SESSIONS);
    let all = 0;
    for (const portion of [first, ...others]) {
      const endPortion = () =>
        prisma.$transaction(
          async (tx) => {
            const sessionsEnded = await endSessions(tx, portion);
            if (sessionsEnded > 0 || portion === first)
              await audit.in(tx).sessionsEndedWithKey({ kid, sessionsEnded }, by);
            return sessionsEnded;
          },
          { timeout: ENDING },
        );
      all += await retryConflicts(endPortion);
    }
    return all;
  };
}
