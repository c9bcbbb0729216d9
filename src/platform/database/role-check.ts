import { escapeIdentifier, type Pool } from 'pg';
import { OperatorError } from '../operator-error.ts';

const HOW_TO_MAKE_ONE =
  "Create a role that only works with the data, as the owner: CREATE ROLE daemun_app LOGIN PASSWORD '…'; " +
  "then run `daemun migrate --grant-to daemun_app` with the owner's DATABASE_URL, and start with daemun_app in DATABASE_URL.";

/** May be read but not changed by the application: what happened stays written. */
const APPEND_ONLY = ['audit_events'];
const READ_ONLY = ['_prisma_migrations'];

/** A role for development, which may also make the tables: FORCE binds their owner to row-level security too. */
const HOW_TO_MAKE_AN_OWNER =
  "Create a role that owns the database and stands above nothing: CREATE ROLE daemun LOGIN PASSWORD '…'; " +
  'ALTER DATABASE … OWNER TO daemun; and start with daemun in DATABASE_URL. Tables that another role has made already stay ' +
  'its: REASSIGN OWNED BY … TO daemun, in that database.';

/** What the embedded database works as: the user that PGlite connects with is a superuser. */
const EMBEDDED_ROLE = 'daemun_app';
/** CHECKPOINT and VACUUM, which nobody else does there. */
const EMBEDDED_UPKEEP = ['pg_checkpoint', 'pg_maintain'];

/**
 * A superuser, a role with BYPASSRLS, and a member of either are above row-level security: refused everywhere. In production the owner of the tables as
 * well, who could rewrite the append-only audit log and take every rule away.
 * @throws OperatorError saying which privilege is too much and how to make a safe role
 */
export async function checkRole(pool: Pool, { production }: { production: boolean }): Promise<void> {
  const above = await findRoleAbove(pool);
  if (above) {
    const advice = production ? HOW_TO_MAKE_ONE : HOW_TO_MAKE_AN_OWNER;
    throw new OperatorError(`DATABASE_URL uses ${above}: row-level security would not bind the service. ${advice}`);
  }
  const owner = production ? await findOwner(pool) : undefined;
  if (owner) throw new OperatorError(`DATABASE_URL uses ${owner}, which is refused in production. ${HOW_TO_MAKE_ONE}`);
}

/**
 * From now on, and on every connection to come, the embedded database is worked with as a role that row-level security binds. To be
 * called when the tables are up to date, which the superuser does.
 */
export async function becomeEmbeddedRole(pool: Pool): Promise<void> {
  const { rows } = await pool.query('SELECT FROM pg_roles WHERE rolname = $1', [EMBEDDED_ROLE]);
  if (!rows.length) {
    await pool.query(`CREATE ROLE ${EMBEDDED_ROLE}; GRANT ${EMBEDDED_UPKEEP.join(', ')} TO ${EMBEDDED_ROLE}`);
  }
  if (!(await isGranted(pool, EMBEDDED_ROLE))) await grantTo(pool, EMBEDDED_ROLE);
  const become = `SET ROLE ${EMBEDDED_ROLE}`;
  // Before whatever else a new connection is asked; if it cannot be, nothing else is.
  pool.options.onConnect = async (client) => void (await client.query(become));
  await pool.query(become);
}

/** The role itself, or one that it is a member of: a single SET ROLE away. */
async function findRoleAbove(pool: Pool): Promise<string | undefined> {
  const { rows } = await pool.query<{ name: string; is_own: boolean; is_superuser: boolean }>(
    `SELECT rolname AS name, rolname IN (current_user, session_user) AS is_own, rolsuper AS is_superuser
     FROM pg_roles WHERE (rolsuper OR rolbypassrls) AND pg_has_role(session_user, oid, 'MEMBER')
     ORDER BY is_own DESC, is_superuser DESC LIMIT 1`,
  );
  const [above] = rows;
  if (!above) return undefined;
  const what = `the role "${above.name}"${above.is_superuser ? ', a superuser' : ' with BYPASSRLS'}`;
  return above.is_own ? what : `a member of ${what}`;
}

async function findOwner(pool: Pool): Promise<string | undefined> {
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
    // Of everybody by itself, except where somebody took that away.
    `GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ${inSchema} TO ${toRole}`,
    `ALTER DEFAULT PRIVILEGES IN SCHEMA ${inSchema} GRANT EXECUTE ON FUNCTIONS TO ${toRole}`,
    `ALTER DEFAULT PRIVILEGES IN SCHEMA ${inSchema} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO ${toRole}`,
    `ALTER DEFAULT PRIVILEGES IN SCHEMA ${inSchema} GRANT USAGE ON SEQUENCES TO ${toRole}`,
    ...APPEND_ONLY.map((name) => `REVOKE UPDATE, DELETE, TRUNCATE ON ${table(name)} FROM ${toRole}`),
    ...READ_ONLY.map((name) => `REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON ${table(name)} FROM ${toRole}`),
  ];
}
