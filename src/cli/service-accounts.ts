import type { Command } from 'commander';
import type { Access } from '../api-keys/api-key.ts';
import type { ServiceAccount } from '../api-keys/service-account.ts';
import { accessInLines, collectAccess, SCOPE_OPTION, unknownServiceAccount } from './api-key-options.ts';
import { BY_COMMAND_LINE } from './by-command-line.ts';
import type { CommandContext } from './command.ts';
import { CommandError, nothingToChange } from './command-error.ts';
import { pageSize } from './option-values.ts';
import { fieldsOf, pageOf, print, printState } from './output.ts';

const HELP = `
A service account is a subject without a password: its API keys, and clients that speak for it, may no more than it may itself.

Examples:
  daemun service-accounts create --name "Nightly report" --scope "https://api.example.com read"
  daemun api-keys create --service-account 0198f0aa-6a55-8f1b-9d0e-3f6f1f8c2b11 --name "CI" --scope "https://api.example.com read"
  daemun service-accounts change 0198f0aa-6a55-8f1b-9d0e-3f6f1f8c2b11 --scope "https://api.example.com read write"`;

interface AccountOptions {
  name?: string;
  description?: string;
  scope?: Access;
  noScopes?: true;
}

export function addServiceAccountCommands(program: Command, context: CommandContext): void {
  const accounts = program
    .command('service-accounts')
    .description('programs as subjects of their own, with API keys instead of passwords')
    .addHelpText('after', HELP);
  addCreateAndChange(accounts, context);
  addShowAndList(accounts, context);
  addStateChanges(accounts, context);
}

function addCreateAndChange(accounts: Command, context: CommandContext): void {
  accounts
    .command('create')
    .description('make a service account')
    .requiredOption('--name <name>', 'what it is')
    .option('--description <text>', 'more about it')
    .option(...SCOPE_OPTION, collectAccess)
    .option('--json', 'print JSON')
    .action(async ({ json, name, description, scope }: AccountOptions & { name: string; json?: boolean }) => {
      const { serviceAccounts } = await context.services();
      const outcome = await serviceAccounts.create({ name, description, access: scope }, BY_COMMAND_LINE);
      if (outcome.kind === 'refused') throw new CommandError('The service account was not made:', outcome.problems);
      printAccount(context, json, outcome.serviceAccount);
    });

  accounts
    .command('change')
    .description('change a service account; what is not named stays')
    .argument('<id>')
    .option('--name <name>', 'what it is')
    .option('--description <text>', 'more about it; "" removes it')
    .option(...SCOPE_OPTION, collectAccess)
    .option('--no-scopes', 'it may nothing any more')
    .option('--json', 'print JSON')
    .action(async (id: string, { json, scopes, ...options }: AccountOptions & { scopes: boolean; json?: boolean }) => {
      const { name, description, scope } = options;
      if (scopes && [name, description, scope].every((value) => value === undefined)) {
        throw nothingToChange('service account');
      }
      if (!scopes && scope) throw new CommandError('Give --scope or --no-scopes, not both.');
      const { serviceAccounts } = await context.services();
      const changes = { name, description: description === '' ? null : description, access: scopes ? scope : {} };
      const outcome = await serviceAccounts.change(id, changes, BY_COMMAND_LINE);
      if (outcome.kind === 'not_found') throw unknownServiceAccount(id);
      if (outcome.kind === 'refused') throw new CommandError('The service account was not changed:', outcome.problems);
      printAccount(context, json, outcome.serviceAccount);
    });
}

function addShowAndList(accounts: Command, context: CommandContext): void {
  accounts
    .command('show')
    .description('show a service account')
    .argument('<id>')
    .option('--json', 'print JSON')
    .action(async (id: string, { json }: { json?: boolean }) => {
      const { serviceAccounts } = await context.services();
      const found = await serviceAccounts.find(id);
      if (!found) throw unknownServiceAccount(id);
      printAccount(context, json, found);
    });

  accounts
    .command('list')
    .description('list service accounts, oldest first')
    .option('--after <id>', 'begin after this one')
    .option('--limit <number>', 'how many', pageSize, 100)
    .option('--json', 'print JSON')
    .action(async ({ after, limit, json = false }: { after?: string; limit: number; json?: boolean }) => {
      const { serviceAccounts } = await context.services();
      const page = await serviceAccounts.list({ limit, ...(after !== undefined && { after }) });
      print(context, json, page, () => {
        const rows = page.serviceAccounts.map(({ id, name, state, access }) => {
          return [id, name, state, accessInLines(access).join('; ')];
        });
        const headings = ['ID', 'NAME', 'STATE', 'SCOPES'];
        const { next } = page;
        return pageOf({ command: 'service-accounts list', none: 'No service accounts.', headings, next }, rows);
      });
    });
}

function addStateChanges(accounts: Command, context: CommandContext): void {
  for (const [verb, effect] of [
    ['disable', 'refuse its keys and its clients from now on'],
    ['enable', 'accept them again'],
  ] as const) {
    accounts
      .command(verb)
      .description(effect)
      .argument('<id>')
      .option('--json', 'print JSON')
      .action(async (id: string, { json = false }: { json?: boolean }) => {
        const { serviceAccounts } = await context.services();
        const outcome = await serviceAccounts[verb](id, BY_COMMAND_LINE);
        if (outcome === 'not_found') throw unknownServiceAccount(id);
        printState(context, json, { id, verb, changed: outcome === 'done' });
      });
  }

  accounts
    .command('delete')
    .description('remove it for good and revoke its keys; its id is never used again')
    .argument('<id>')
    .option('--json', 'print JSON')
    .action(async (id: string, { json = false }: { json?: boolean }) => {
      const { serviceAccounts } = await context.services();
      if ((await serviceAccounts.delete(id, BY_COMMAND_LINE)) === 'not_found') throw unknownServiceAccount(id);
      print(
        context,
        json,
        { id, state: 'deleted', changed: true },
        () => `${id} is deleted, and its keys are revoked.`,
      );
    });
}

function printAccount(context: CommandContext, json = false, account: ServiceAccount): void {
  print(context, json, account, () =>
    fieldsOf([
      ['ID', account.id],
      ['Name', account.name],
      ['Description', account.description],
      ['State', account.state],
      ['Scopes', accessInLines(account.access)],
      ['Made', account.createdAt],
      ['Made by', account.createdBy],
      ['Disabled', account.disabledAt],
    ]),
  );
}
