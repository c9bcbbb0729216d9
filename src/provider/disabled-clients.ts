import type { Audit } from '../audit/audit.ts';
import type { Database } from '../platform/database/database.ts';
import { preparedStatement } from '../platform/database/prepared-statement.ts';
import { retryConflicts } from '../platform/database/statement-batch.ts';
import { endSomeClientAccess, lockDisabledClient } from './revocation.ts';

/** Clients that are looked at by one statement. */
const PAGE = 500;
/** Milliseconds, for a few statements that may each take as long as `waitForLocks` says. */
const ENDING = 60_000;

const BY = { actor: 'system' };

/** A page of clients, in the order of their ids: where it ends, null when there was nothing left, and who of them has to be ended. */
const FIND = `WITH page AS MATERIALIZED (SELECT id, state FROM clients WHERE id > $1 ORDER BY id LIMIT $2)
  SELECT (SELECT max(id) FROM page) AS last, ARRAY(
    SELECT page.id FROM page CROSS JOIN LATERAL (
      SELECT FROM protocol_artifacts a
      WHERE a.client_id = page.id AND (a.kind <> 'Grant' OR a.revoked_at IS NULL) LIMIT 1) AS left_over
    WHERE page.state = 'disabled') AS ids`;

/**
 * For a timer: ends what clients that are disabled still have. Disabling does that itself, after the refusal, so this finds what one
 * that was cut short has left, and what was stored in the moment in which other nodes still knew the client. In portions, each with its
 * record; whoever is disabling or enabling the client at this moment does it themselves. S-047
 * @see docs/decisions/0023-what-has-much-to-end-is-refused-first.md
 */
export function createEndingForDisabledClients({
  database: { pool, prisma },
  audit,
}: {
  database: Pick<Database, 'pool' | 'prisma'>;
  audit: Pick<Audit, 'in'>;
}): (signal: AbortSignal) => Promise<void> {
  const find = preparedStatement<{ last: string | null; ids: string[] }>(pool, 'clients.disabled_with_access', FIND);

  /** Whether there may be more. */
  function endPortion(clientId: string): Promise<boolean> {
    const end = () =>
      prisma.$transaction(
        async (tx) => {
          if (!(await lockDisabledClient(tx, clientId))) return false;
          const { grants, tokens } = await endSomeClientAccess(tx, clientId);
          if (grants + tokens === 0) return false;
          await audit.in(tx).clientAccessEnded({ clientId, grantsEnded: grants, tokensEnded: tokens }, BY);
          return true;
        },
        { timeout: ENDING },
      );
    return retryConflicts(end);
  }

  return async function endForDisabledClients(signal) {
    // Of one client: the others do not wait for it.
    const failures: unknown[] = [];
    for (let last: string | null = ''; last !== null && !signal.aborted; ) {
      const [page]: { last: string | null; ids: string[] }[] = await find([last, PAGE]);
      for (const id of page?.ids ?? []) {
        try {
          while (!signal.aborted && (await endPortion(id)));
        } catch (error) {
          failures.push(error);
        }
      }
      last = page?.last ?? null;
    }
    if (failures.length > 0) throw failures[0];
  };
}
