import type { Command } from 'commander';
import { BY_COMMAND_LINE } from './by-command-line.ts';
import type { CommandContext } from './command.ts';
import { CommandError } from './command-error.ts';
import { getUser } from './find-user.ts';
import { print, tableOf } from './output.ts';

interface UnlinkOptions {
  subject?: string;
  endSessions?: boolean;
  json?: boolean;
}

/** Who a person is at upstreams, beneath `users`. Linking needs the person: only they can prove that both are theirs. */
export function addIdentityCommands(users: Command, context: CommandContext): void {
  users
    .command('identities')
    .description('list the accounts elsewhere that a person signs in with')
    .argument('<user>', 'id, e-mail address or user name')
    .option('--json', 'print JSON')
    .action(async (login: string, { json = false }: { json?: boolean }) => {
      const services = await context.services();
      const { id } = await getUser(services, login);
      const identities = await services.federation.list(id);
      print(context, json, { user: id, identities }, () => {
        if (identities.length === 0) return `${login} signs in with nothing but what is known here.`;
        const rows = identities.map(({ provider, subject, email, name, createdAt, lastUsedAt }) => {
          return [provider, subject, email?.address, name, createdAt, lastUsedAt];
        });
        return tableOf(['PROVIDER', 'SUBJECT', 'E-MAIL THERE', 'NAME THERE', 'LINKED', 'LAST USED'], rows);
      });
    });

  users
    .command('unlink-identity')
    .description('take from a person the accounts they have at a provider; their sessions stay unless told otherwise')
    .argument('<user>', 'id, e-mail address or user name')
    .argument('<provider>', 'as `daemun users identities` names it')
    .option('--subject <subject>', 'only this one of several at the same provider')
    .option('--end-sessions', 'end all their sessions and tokens too, as when somebody else had that account')
    .option('--json', 'print JSON')
    .action(
      async (
        login: string,
        provider: string,
        { subject, endSessions: endsAccess = false, json = false }: UnlinkOptions,
      ) => {
        const services = await context.services();
        const { id } = await getUser(services, login);
        const identity = { provider, accountId: id, ...(subject !== undefined && { subject }), endsAccess };
        const outcome = await services.federation.unlink(identity, BY_COMMAND_LINE);
        if (outcome === 'only_way_in') {
          throw new CommandError(
            `${login} could not sign in any more. Give them a password first: \`daemun users invite ${login}\`.`,
          );
        }
        const changed = outcome === 'done';
        print(context, json, { user: id, provider, changed, ...(endsAccess && { sessionsEnded: changed }) }, () => {
          if (!changed) return `${login} has no such account at ${provider}.`;
          const ended = endsAccess ? ' Their sessions and tokens have ended.' : '';
          return `${login} cannot sign in with ${provider} any more.${ended}`;
        });
      },
    );
}
