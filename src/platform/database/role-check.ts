import { escapeIdentifier, type Pool } from 'pg';
import { OperatorError } from '../operator-error.ts';

const HOW_TO_MAKE_ONE =
  "Create a role that only works with the data, as the owner: CREATE ROLE daemun_app LOGIN PASSWORD '…'; " +
  "then run `daemun migrate --grant-to daemun_app` with the owner's DATABASE_URL, and start with daemun_app in DATABASE_URL.";

/** May be read but not changed by the application: what happened stays written. */
const APPEND_ONLY = ['audit_events'];
const READ_ONLY = ['_prisma_migrations'];

/**
 * A role above the rules would make row-level security, the append-only audit log and every grant mean nothing.
 * @throws OperatorError saying which privilege is too much and how to make a safe role
 */
export async function checkRole(pool: Pool): Promise<void> {
  const problem = await findRoleProblem(pool);
  if (problem)
    throw new OperatorError(`DATABASE_URL uses ${problem}, which is refused in production. ${HOW_TO_MAKE_ONE}`);
}

async function findRoleProblem(pool: Pool): Promise<string | undefined> {
  const { rows: roles } = await pool.query<{ name: string; is_superuser: boolean; bypasses_rls: boolean }>(
    `SELECT rolname AS name, rolsuper AS is_superuser, rolbypassrls AS bypasses_rls
     FROM pg_roles WHERE rolname IN (current_user, session_user)`,
  );
  for (const { name, is_superuser, bypasses_rls } of roles) {
    if (is_superuser) return `the role "${name}", a superuser`;
    if (bypasses_rls) return `the role "${name}" with BYPASSRLS`;
  }
  // A member of the owning role has the owner's rights.
  const { rows: owned } = await pool.query<{ role: string; name: string }>(
    `SELECT current_user AS role, relname AS name FROM pg_class
     WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S')
       AND pg_has_role(session_user, relowner, 'MEMBER')
     ORDER BY relname LIMIT 1`,
  );
  return owned[0] && `the role "${owned[0].role}", an owner of the table "${owned[0].name}"`;
}

/** Whether the role can already read and write what `grantTo` gives it. */
export async function isGranted(pool: Pool, role: string): Promise<boolean> {
  const { rows } = await pool.query<{ granted: boolean | null }>(
    `SELECT bool_and(has_table_privilege($1, oid, CASE WHEN relname = ANY ($2) THEN 'SELECT' ELSE 'INSERT' END)) AS granted
     FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')`,
    [role, READ_ONLY],
  );
  return rows[0]?.granted === true;
}

/**
 * Gives `role` what the application needs and no more, now and for tables to come. Run it as the owner.
 * @throws OperatorError when there is no such role
 */
export async function grantTo(pool: Pool, role: string): Promise<void> {
  const { rows } = await pool.query<{ known: boolean; schema: string }>(
    'SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1) AS known, current_schema() AS schema',
    [role],
  );
  const { known, schema } = rows[0]!;
  if (!known) throw new OperatorError(`There is no role "${role}". Create it first: CREATE ROLE … LOGIN PASSWORD '…'.`);
  await pool.query(grantStatements(schema, role).join(';\n'));
}

function grantStatements(schema: string, role: string): string[] {
  const [inSchema, toRole] = [escapeIdentifier(schema), escapeIdentifier(role)];
  const table = (name: string) => `${inSchema}.${escapeIdentifier(name)}`;
  return [
    `GRANT USAGE ON SCHEMA ${inSchema} TO ${toRole}`,
    `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${inSchema} TO ${toRole}`,
    `GRANT USAGE ON ALL SEQUENCES IN SCHEMA ${inSchema} TO ${toRole}`,
    `ALTER DEFAULT PRIVILEGES IN SCHEMA ${inSchema} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO ${toRole}`,
    `ALTER DEFAULT PRIVILEGES IN SCHEMA ${inSchema} GRANT USAGE ON SEQUENCES TO ${toRole}`,
    ...APPEND_ONLY.map((name) => `REVOKE UPDATE, DELETE, TRUNCATE ON ${table(name)} FROM ${toRole}`),
    ...READ_ONLY.map((name) => `REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON ${table(name)} FROM ${toRole}`),
  ];
}
