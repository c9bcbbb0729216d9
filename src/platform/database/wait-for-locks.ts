/** What it needs of a transaction of Prisma's. */
interface Transaction {
  $executeRaw(query: TemplateStringsArray, ...values: string[]): PromiseLike<unknown>;
}

/** And of a connection on which a transaction was begun without Prisma. */
interface Client {
  query(text: string, values: string[]): Promise<unknown>;
}

const LOCK = '4s';
const STATEMENT = '15s';

/**
 * Two administrators at once wait for each other instead of failing: these transactions are rare, and longer than those of sign-ins,
 * for which the connection's own limit is meant. It is also shorter than PostgreSQL takes to see a deadlock, so that without this
 * one would look like a slow lock and not be tried again.
 */
export async function waitForLocks(tx: Transaction): Promise<void> {
  await tx.$executeRaw`SELECT set_config('lock_timeout', ${LOCK}, true), set_config('statement_timeout', ${STATEMENT}, true)`;
}

/** The same where Prisma has no part. */
export async function waitForLocksOn(client: Client): Promise<void> {
  const limits = `SELECT set_config('lock_timeout', $1, true), set_config('statement_timeout', $2, true)`;
  await client.query(limits, [LOCK, STATEMENT]);
}
