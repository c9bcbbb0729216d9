import type { Pool, PoolClient } from 'pg';

/**
 * For whom the rows under row-level security are read and written. What each may is said by the policies in the migrations; whoever
 * says nothing sees no rows. (`verifier` is said by functions of the database only.)
 */
export type ActingAs =
  | { role: 'owner'; subject: string }
  /** Administrators, and the command line. */
  | { role: 'administrator' }
  /** The service itself: clean-up, last use, what was found elsewhere. */
  | { role: 'caretaker' };

/** An open transaction of Prisma. */
interface Transaction {
  $executeRaw(statement: TemplateStringsArray, ...values: unknown[]): PromiseLike<number>;
}

/** Until the end of the transaction, and not a moment longer: the connection goes back to a pool. */
export async function actAs(tx: Transaction, acting: ActingAs): Promise<void> {
  await tx.$executeRaw`SELECT set_config('daemun.role', ${acting.role}, true), set_config('daemun.subject', ${subjectOf(acting)}, true)`;
}

/** The same for SQL on the pool: one transaction around `work`. */
export async function workAs<Result>(
  pool: Pool,
  acting: ActingAs,
  work: (client: PoolClient) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query('BEGIN');
    await client.query("SELECT set_config('daemun.role', $1, true), set_config('daemun.subject', $2, true)", [
      acting.role,
      subjectOf(acting),
    ]);
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK').catch((failure: Error) => {
      broken = failure;
    });
    throw error;
  } finally {
    client.release(broken);
  }
}

function subjectOf(acting: ActingAs): string {
  return acting.role === 'owner' ? acting.subject : '';
}
