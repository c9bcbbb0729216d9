import type { Command } from 'commander';
import type { RememberedConsent } from '../accounts/consents.ts';
import { BY_COMMAND_LINE } from './by-command-line.ts';
import type { CommandContext } from './command.ts';
import { CommandError } from './command-error.ts';
import { getUser } from './find-user.ts';
import { print, tableOf } from './output.ts';

/** What a person allowed applications, beneath `users`. First-party clients ask nobody, so there is nothing to list of them. */
export function addConsentCommands(users: Command, context: CommandContext): void {
  users
    .command('consents')
    .description('list the applications that a person allowed something, and what')
    .argument('<user>', 'id, e-mail address or user name')
    .option('--json', 'print JSON')
    .action(async (login: string, { json = false }: { json?: boolean }) => {
      const services = await context.services();
      const { id } = await getUser(services, login);
      const consents = await services.consents.list(id);
      print(context, json, { user: id, consents }, () => {
        if (consents.length === 0) return `${login} allowed nothing to any application.`;
        const rows = consents.map((consent) => [
          consent.clientId,
          consent.clientName,
          allowedBy(consent).join(' '),
          consent.updatedAt,
        ]);
        return tableOf(['CLIENT', 'NAME', 'ALLOWED', 'LAST CHANGED'], rows);
      });
    });

  users
    .command('withdraw-consent')
    .description('end what an application holds of a person; it has to ask them again')
    .argument('<user>', 'id, e-mail address or user name')
    .argument('<client>', 'client id')
    .option('--json', 'print JSON')
    .action(async (login: string, clientId: string, { json = false }: { json?: boolean }) => {
      const services = await context.services();
      const { id } = await getUser(services, login);
      if (!(await services.clients.show(clientId))) {
        throw new CommandError(`There is no client ${clientId}. \`daemun users consents ${login}\` shows them.`);
      }
      const outcome = await services.consents.withdraw({ userId: id, clientId }, BY_COMMAND_LINE);
      const changed = outcome === 'done';
      print(context, json, { user: id, client: clientId, changed }, () =>
        changed
          ? `${clientId} holds nothing of ${login} any more, except access tokens that nobody asks us about: those end by themselves.`
          : `${clientId} held nothing of ${login}.`,
      );
    });
}

/** Scopes, single claims, and the scopes at each API, in one line. */
function allowedBy({ scopes, claims, resourceScopes }: RememberedConsent): string[] {
  const atResources = Object.entries(resourceScopes).map(([resource, names]) => `${resource}(${names.join(' ')})`);
  return [...scopes, ...claims, ...atResources];
}
