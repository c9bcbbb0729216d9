import type { Pool } from 'pg';

/** Makes the row at the first sight of a job, which is then due. */
const ADD = 'INSERT INTO scheduled_jobs (name) VALUES ($1) ON CONFLICT DO NOTHING';

const TAKE = `UPDATE scheduled_jobs SET lease_until = now() + $2::float8 * interval '1 second', started_at = now(), runs = runs + 1
  WHERE name = $1 AND due_at <= now() AND COALESCE(lease_until <= now(), true) RETURNING runs`;

/** Seconds until it is worth asking again. */
const LOOK = `SELECT GREATEST(extract(epoch FROM GREATEST(due_at, lease_until) - now()), 0)::float8 AS wait,
    extract(epoch FROM now() - succeeded_at)::float8 AS "succeededAgo" FROM scheduled_jobs WHERE name = $1`;

const EXTEND = `UPDATE scheduled_jobs SET lease_until = now() + $3::float8 * interval '1 second'
  WHERE name = $1 AND runs = $2 AND lease_until > now()`;

const FINISH = `UPDATE scheduled_jobs SET lease_until = NULL, due_at = now() + $3::float8 * interval '1 second',
    succeeded_at = CASE WHEN $4 THEN now() ELSE succeeded_at END
  WHERE name = $1 AND runs = $2`;

export type Turn =
  | { isOurs: true; run: number }
  /** `wait` in seconds. `succeededAgo`: undefined when it never did. */
  | { isOurs: false; wait: number; succeededAgo?: number };

/**
 * Whose turn a job is, decided by the database and its clock alone, in single statements: no session is needed, so a pooler may sit
 * in between, and no two clocks are compared.
 */
export function createJobLeases(pool: Pick<Pool, 'query'>) {
  return {
    async take(name: string, leaseSeconds: number): Promise<Turn> {
      const taken = await pool.query<{ runs: number }>(TAKE, [name, leaseSeconds]);
      if (taken.rows[0]) return { isOurs: true, run: taken.rows[0].runs };
      const { rows } = await pool.query<{ wait: number; succeededAgo: number | null }>(LOOK, [name]);
      if (!rows[0]) {
        await pool.query(ADD, [name]);
        return { isOurs: false, wait: 0 };
      }
      const { wait, succeededAgo } = rows[0];
      return { isOurs: false, wait, ...(succeededAgo !== null && { succeededAgo }) };
    },
    /** False when it is somebody else's by now. */
    async extend(name: string, run: number, leaseSeconds: number): Promise<boolean> {
      return (await pool.query(EXTEND, [name, run, leaseSeconds])).rowCount === 1;
    },
    async finish(name: string, run: number, { next, succeeded }: { next: number; succeeded: boolean }): Promise<void> {
      await pool.query(FINISH, [name, run, next, succeeded]);
    },
  };
}

export type JobLeases = ReturnType<typeof createJobLeases>;
