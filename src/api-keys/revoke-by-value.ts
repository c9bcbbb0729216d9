import type { Audit, AuditContext } from '../audit/audit.ts';
import type { Database } from '../platform/database/database.ts';
import { aboutKey } from './acting.ts';
import { createApiKeyParser, digestOfApiKey } from './api-key-value.ts';
import { revokeApiKeyByDigest, type Transaction } from './api-keys.store.ts';
import { createApiKeyFinder } from './find-api-key.store.ts';
import type { Tell } from './telling.ts';
import { createTransactions } from './transactions.ts';

export type RevokeByValue = (
  value: string,
  found: { reason: string; foundAt?: string },
  by: AuditContext,
) => Promise<'done' | 'unchanged' | 'unknown'>;

export interface RevokeByValueOptions {
  database: Pick<Database, 'pool' | 'prisma'>;
  audit: Pick<Audit, 'in'>;
  prefix: string;
  settle(digest: string): Promise<void>;
  tell: Tell;
}

/**
 * Ends what somebody found. Strangers may send any number of values that only look like keys: those cost a share of one statement,
 * and a transaction with a connection of its own is for a key that works.
 */
export function createRevokeByValue(options: RevokeByValueOptions): RevokeByValue {
  const { database, audit, prefix, settle, tell } = options;
  const parse = createApiKeyParser(prefix);
  const find = createApiKeyFinder(database.pool);
  const { changing } = createTransactions(database);

  return async (presented, { reason, foundAt }, by) => {
    const parsed = parse(presented);
    if (parsed.kind !== 'api_key') return 'unknown';
    const digest = digestOfApiKey(parsed.value);
    const known = await find(digest.toString('hex'));
    const revoke = async (tx: Transaction) => {
      const revoked = await revokeApiKeyByDigest(tx, digest, { by: by.actor, reason });
      // Somebody was faster.
      if (!revoked) return 'unchanged';
      const { apiKey } = revoked;
      await audit.in(tx).apiKeyRevoked({ ...aboutKey(apiKey), reason, ...(foundAt && { foundAt }) }, by);
      await tell(tx, 'api_key_found', apiKey, { by, ...(foundAt && { foundAt }) });
      return 'done';
    };
    const outcome = known && !known.isRevoked ? await changing({ role: 'caretaker' }, revoke) : undefined;
    // Also where there is none: how long it takes says nothing.
    await settle(digest.toString('hex'));
    return outcome ?? (known ? 'unchanged' : 'unknown');
  };
}
