import type { Account } from '../accounts/account.ts';
import { readAccount, readAdministrators } from '../accounts/accounts.store.ts';
import type { About, Notice, Notify } from '../accounts/notifications.ts';
import type { ApiKey } from './api-key.ts';
import type { Transaction } from './api-keys.store.ts';

const MOST_ADMINISTRATORS = 10;

type OfKeys = Extract<Notice, `api_key_${string}`>;
export type Tell = (
  tx: Transaction,
  notice: OfKeys,
  key: ApiKey,
  about: Pick<About, 'foundAt' | 'by'>,
) => Promise<void>;

/**
 * Tells the owner what was done with a key. Where the owner is no person, administrators gave it and know what they do; but that one
 * of those was found elsewhere, and ended by whoever found it, somebody has to hear.
 */
export function createTelling(notify: Notify): Tell {
  return async (tx, notice, key, about) => {
    const what = { ...about, apiKey: `${key.name} (${key.prefix}…${key.hint})` };
    const isOfPerson = key.owner.kind === 'user';
    for (const account of await receivers(tx, notice, key)) {
      await notify(tx, account, isOfPerson ? notice : 'service_api_key_found', what);
    }
  };
}

async function receivers(tx: Transaction, notice: OfKeys, { owner }: ApiKey): Promise<Account[]> {
  if (owner.kind !== 'user') return notice === 'api_key_found' ? readAdministrators(tx, MOST_ADMINISTRATORS) : [];
  const account = await readAccount(tx, owner.id);
  return account?.state === 'active' ? [account] : [];
}
