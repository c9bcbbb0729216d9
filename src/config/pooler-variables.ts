import { oneOf, postgresUrl } from './values.ts';
import { variable } from './variable.ts';

/** What sits between us and PostgreSQL, if anything. */
export const poolerVariables = {
  DATABASE_POOLER: variable({
    type: 'none or transaction',
    default: 'none',
    meaning:
      '`transaction`: DATABASE_URL leads to PgBouncer, or another pooler, in transaction mode. Then nothing is asked of a connection that lasts longer than a transaction: no named statements, no session settings, no LISTEN. The timeouts have to be settings of the role instead; every start warns while they are not.',
    schema: oneOf('none', 'transaction'),
  }),
  DATABASE_DIRECT_URL: variable({
    type: 'URL',
    secret: true,
    meaning:
      'The same database and role as DATABASE_URL past the pooler, for one connection per process that hears of changed keys at once. Without it, nodes behind a pooler look every few seconds. Only with DATABASE_POOLER.',
    schema: postgresUrl,
  }),
};
