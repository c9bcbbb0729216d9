import { v7 as uuidv7 } from 'uuid';
import type { Account } from '../../src/accounts/account.ts';
import { createAccountFinder } from '../../src/accounts/accounts.store.ts';
import type { Database } from '../../src/platform/database/database.ts';

/** People made without passwords, which the protocol never sees, and changed without what normally follows from it. */
export function createPeople({ prisma, pool }: Pick<Database, 'prisma' | 'pool'>) {
  const { find } = createAccountFinder(pool);

  async function write({ id, name, givenName, familyName, userName, email, state }: Account): Promise<void> {
    const columns = { name: name ?? null, givenName: givenName ?? null, familyName: familyName ?? null, state };
    await prisma.user.upsert({
      where: { id },
      create: { id, ...columns, userName: userName ?? null, userNameKey: userName ?? null },
      update: columns,
    });
    await prisma.emailAddress.deleteMany({ where: { userId: id } });
    if (!email) return;
    const { address, verified } = email;
    const verifiedAt = verified ? new Date() : null;
    await prisma.emailAddress.create({
      data: { id: uuidv7(), userId: id, address, addressKey: address, primaryOf: id, verifiedAt },
    });
  }

  return {
    find,
    async create(details: Partial<Account> = {}): Promise<Account> {
      const id = uuidv7();
      const account: Account = {
        id,
        userName: `person-${id.slice(-12)}`,
        name: 'Hana Kim',
        givenName: 'Hana',
        familyName: 'Kim',
        email: { address: `${id}@example.com`, verified: true },
        isAdministrator: false,
        state: 'active',
        updatedAt: new Date(),
        ...details,
      };
      await write(account);
      return account;
    },
    /** As if somebody had changed the rows. */
    set: write,
  };
}
