import type { Pool } from 'pg';
import type { Transaction } from '../audit/audit.ts';
import { preparedStatement } from '../platform/database/prepared-statement.ts';

/** @returns a question for the database: which connections are disabled, and since when? */
export function createDisabledConnections(pool: Pool): () => Promise<Map<string, Date>> {
  const find = preparedStatement<{ provider: string; disabledAt: Date }>(
    pool,
    'upstream_connections.disabled',
    'SELECT provider, disabled_at AS "disabledAt" FROM upstream_connections WHERE disabled_at IS NOT NULL',
  );
  return async () => new Map((await find([])).map(({ provider, disabledAt }) => [provider, disabledAt]));
}

/** False when it was before. Journeys and links under way end with it: they stay over when it is enabled again. */
export async function disableConnection(tx: Transaction, provider: string): Promise<boolean> {
  const rows = await tx.$queryRaw<unknown[]>`
    INSERT INTO upstream_connections AS c (provider, disabled_at, version) VALUES (${provider}, now(), 1)
    ON CONFLICT (provider) DO UPDATE SET disabled_at = now(), version = c.version + 1 WHERE c.disabled_at IS NULL RETURNING 1`;
  if (rows.length === 0) return false;
  // Earlier than any look at it, so that nobody who waits for this transaction finds it still good.
  await tx.$executeRaw`
    UPDATE upstream_attempts SET expires_at = created_at
    WHERE provider = ${provider} AND consumed_at IS NULL AND expires_at > now()`;
  return true;
}

/** False when it was before. */
export async function enableConnection(tx: Transaction, provider: string): Promise<boolean> {
  const rows = await tx.$queryRaw<unknown[]>`
    UPDATE upstream_connections SET disabled_at = NULL, version = version + 1
    WHERE provider = ${provider} AND disabled_at IS NOT NULL RETURNING 1`;
  return rows.length === 1;
}
