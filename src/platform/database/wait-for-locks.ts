/** What it needs of a transaction of Prisma's. */
interface Transaction {
  $executeRaw(query: TemplateStringsArray): PromiseLike<unknown>;
}

/**
 * Two administrators at once wait for each other instead of failing: these transactions are rare, and longer than those of sign-ins,
 * for which the connection's own limit is meant. It is also shorter than PostgreSQL takes to see a deadlock, so that without this
 * one would look like a slow lock and not be tried again.
 */
export async function waitForLocks(tx: Transaction): Promise<void> {
  await tx.$executeRaw`SELECT set_config('lock_timeout', '4s', true), set_config('statement_timeout', '15s', true)`;
}
