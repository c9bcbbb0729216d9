import { v7 as uuidv7 } from 'uuid';
import type { Account } from '../../src/accounts/account.ts';
import type { Database } from '../../src/platform/database/database.ts';

/** People as the protocol needs them: rows to hang consents on, and what is told about them. */
export function createPeople({ prisma }: Pick<Database, 'prisma'>) {
  const people = new Map<string, Account>();
  return {
    async create(details: Partial<Account> = {}): Promise<Account> {
      const id = uuidv7();
      const account: Account = {
        id,
        userName: `person-${id.slice(-6)}`,
        name: 'Hana Kim',
        givenName: 'Hana',
        familyName: 'Kim',
        email: { address: `${id}@example.com`, verified: true },
        isAdministrator: false,
        state: 'active',
        updatedAt: new Date(),
        ...details,
      };
      await prisma.user.create({ data: { id, name: account.name ?? null } });
      people.set(id, account);
      return account;
    },
    set: (account: Account) => void people.set(account.id, account),
    find: async (id: string) => people.get(id),
  };
}
