import { type ActingAs, actAs } from '../platform/database/as-subject.ts';
import type { Database } from '../platform/database/database.ts';
import { retryConflicts } from '../platform/database/statement-batch.ts';
import { waitForLocks } from '../platform/database/wait-for-locks.ts';
import type { Transaction } from './api-keys.store.ts';

/** Milliseconds. Changes of one owner's keys wait for each other. */
const CHANGE_TIMEOUT = 15_000;

export type InTransaction = <Result>(acting: ActingAs, work: (tx: Transaction) => Promise<Result>) => Promise<Result>;

/** The two kinds of transactions on tables under row-level security, each for whom it works. */
export function createTransactions({ prisma }: Pick<Database, 'prisma'>): {
  reading: InTransaction;
  changing: InTransaction;
} {
  return {
    reading: (acting, work) => prisma.$transaction((tx) => actAs(tx, acting).then(() => work(tx))),

    changing(acting, work) {
      const patiently = async (tx: Transaction) => {
        await waitForLocks(tx);
        await actAs(tx, acting);
        return work(tx);
      };
      return retryConflicts(() => prisma.$transaction(patiently, { timeout: CHANGE_TIMEOUT }));
    },
  };
}
