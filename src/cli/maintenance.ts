import type { Command } from 'commander';
import type { Config } from '../config/config.ts';
import type { ConfigError } from '../config/load.ts';
import { openDatabase } from '../platform/database/database.ts';
import { migrate } from '../platform/database/migrate.ts';
import { checkServer, openPostgresqlPool } from '../platform/database/postgresql.ts';
import { grantTo } from '../platform/database/role-check.ts';
import type { CommandContext } from './command.ts';
import { CommandError } from './command-error.ts';
import { fieldsOf, print } from './output.ts';
import { isServiceRunning } from './remote.ts';

const MIGRATE_HELP = `
Connects with MIGRATION_DATABASE_URL, or else DATABASE_URL: the owner of the database. Nothing else has to be configured.

Example:
  DATABASE_URL=postgresql://owner@db/daemun daemun migrate --grant-to daemun_app`;

export function addMaintenanceCommands(program: Command, context: CommandContext): void {
  program
    .command('config:check')
    .description('say everything that is wrong with the configuration, without starting anything')
    .option('--json', 'print JSON')
    .action(({ json = false }: { json?: boolean }) => checkConfig(context, json));

  program
    .command('migrate')
    .description('bring the tables up to date; safe to repeat and to run from several places at once')
    .option('--grant-to <role>', 'also give this role what the service needs, and no more')
    .option('--json', 'print JSON')
    .addHelpText('after', MIGRATE_HELP)
    .action(async ({ grantTo: role, json = false }: { grantTo?: string; json?: boolean }) => {
      const applied = await migrateDatabase(context.config(), role);
      print(context, json, { applied, ...(role && { grantedTo: role }) }, () =>
        [
          ...(applied.length ? applied.map((name) => `Applied ${name}.`) : ['Nothing to apply.']),
          ...(role ? [`Granted to ${role}.`] : []),
        ].join('\n'),
      );
    });
}

function checkConfig(context: CommandContext, json: boolean): void {
  let config: Config;
  try {
    config = context.config();
  } catch (error) {
    if ((error as Error).name !== 'ConfigError') throw error;
    const problems = (error as ConfigError).problems.map(({ variable, message }) => ({ field: variable, message }));
    throw new CommandError('The configuration is not valid:', problems);
  }
  const { issuer, production, database, listen, warnings } = config;
  print(context, json, { valid: true, issuer, production, database: database.kind, listen, warnings }, () =>
    [
      'The configuration is valid.',
      fieldsOf([
        ['Issuer', issuer],
        ['Mode', production ? 'production' : 'development'],
        ['Database', database.kind === 'embedded' ? `embedded, in ${database.directory}` : 'PostgreSQL'],
        ['Listens on', `${listen.host}:${listen.port}`],
        ['Note', warnings],
      ]),
    ].join('\n'),
  );
}

async function migrateDatabase({ database: location }: Config, role?: string): Promise<string[]> {
  if (location.kind === 'postgresql') {
    const url = (location.migrationUrl ?? location.url).reveal();
    const pool = openPostgresqlPool({ url, poolSize: 1, transactionPooled: location.pooler !== undefined });
    try {
      await checkServer(pool, url, location.migrationUrl ? 'MIGRATION_DATABASE_URL' : 'DATABASE_URL');
      const { applied } = await migrate(pool);
      if (role) await grantTo(pool, role);
      return applied;
    } finally {
      await pool.end();
    }
  }
  if (role)
    throw new CommandError('--grant-to is for PostgreSQL: the embedded database has one user. Set DATABASE_URL.');
  // A service applies them before it takes commands.
  if (await isServiceRunning(location.directory)) return [];
  const database = await openDatabase(location);
  try {
    return (await migrate(database.pool)).applied;
  } finally {
    await database.close();
  }
}
