import type { Command } from 'commander';
import type { Account } from '../accounts/account.ts';
import { BY_COMMAND_LINE } from './by-command-line.ts';
import type { CommandContext, Services } from './command.ts';
import { CommandError } from './command-error.ts';
import { addConsentCommands } from './consents.ts';
import { getUser, unknownUser } from './find-user.ts';
import { addIdentityCommands } from './identities.ts';
import { pageSize } from './option-values.ts';
import { fieldsOf, pageOf, print, printState } from './output.ts';

interface CreateOptions {
  email?: string;
  userName?: string;
  name?: string;
  admin?: boolean;
  json?: boolean;
}

const EXAMPLES = `
Examples:
  daemun users setup-link
  daemun users create --email ada@example.com --name "Ada Lovelace" --admin
  daemun users list --json
  daemun users disable ada@example.com
  daemun users withdraw-consent ada@example.com notes
  daemun users unlink-identity ada@example.com google`;

export function addUserCommands(program: Command, context: CommandContext): void {
  const users = program.command('users').description('people who sign in').addHelpText('after', EXAMPLES);

  users
    .command('create')
    .description('create a person and print a one-time link where they choose their password')
    .option('--email <address>', 'e-mail address')
    .option('--user-name <name>', 'a name to sign in with, beside or instead of the address')
    .option('--name <name>', 'the name that applications see')
    .option('--admin', 'make them an administrator')
    .option('--json', 'print JSON')
    .action(({ json = false, ...options }: CreateOptions) => createUser(context, options, json));

  users
    .command('invite')
    .description('print a new one-time link to choose a password; earlier links of that person end')
    .argument('<user>', 'id, e-mail address or user name')
    .option('--json', 'print JSON')
    .action(async (login: string, { json = false }) => {
      const services = await context.services();
      const account = await getUser(services, login);
      if (account.state !== 'active') throw new CommandError(`${login} is disabled: \`daemun users enable\` first.`);
      await printInvitation(context, services, account, json);
    });

  users
    .command('setup-link')
    .description('print a one-time link that makes the first administrator, while there is none')
    .option('--json', 'print JSON')
    .action(async ({ json = false }) => {
      const { oneTimeLinks, issuer } = await context.services();
      const setup = await oneTimeLinks.createSetup(BY_COMMAND_LINE);
      if (!setup) {
        throw new CommandError(
          'There is an administrator. They make others, and so does `daemun users create --admin`.',
        );
      }
      const link = `${issuer}/setup/${setup.token}`;
      print(context, json, { link, expiresAt: setup.expiresAt }, () =>
        [
          fieldsOf([
            ['Link', link],
            ['Valid until', setup.expiresAt],
          ]),
          '',
          'Whoever opens it first becomes the administrator. It works once and is not shown again.',
        ].join('\n'),
      );
    });

  for (const [verb, effect] of [
    ['disable', 'end their sessions and tokens at once and refuse their sign-ins'],
    ['enable', 'let them sign in again'],
  ] as const) {
    users
      .command(verb)
      .description(effect)
      .argument('<user>', 'id, e-mail address or user name')
      .option('--json', 'print JSON')
      .action(async (login: string, { json = false }) => {
        const services = await context.services();
        const { id } = await getUser(services, login);
        const outcome = await services.accounts[verb](id, BY_COMMAND_LINE);
        if (outcome === 'not_found') throw unknownUser(login);
        if (outcome === 'last_administrator') {
          throw new CommandError(
            `${login} is the last administrator. Make somebody else one first: users create --admin.`,
          );
        }
        printState(context, json, { id, name: login, verb, changed: outcome === 'done' });
      });
  }

  users
    .command('list')
    .description('list people, oldest first')
    .option('--after <id>', 'begin after this person')
    .option('--limit <number>', 'how many', pageSize, 100)
    .option('--json', 'print JSON')
    .action(async ({ after, limit, json = false }: { after?: string; limit: number; json?: boolean }) => {
      const { accounts } = await context.services();
      const page = await accounts.list({ after, limit });
      print(context, json, { users: page.accounts.map(userOf), ...(page.next && { next: page.next }) }, () => {
        const rows = page.accounts.map((account) => {
          const { id, userName, email, name, state, isAdministrator } = userOf(account);
          return [id, email, userName, name, state, isAdministrator];
        });
        const headings = ['ID', 'E-MAIL', 'USER NAME', 'NAME', 'STATE', 'ADMIN'];
        return pageOf({ command: 'users list', none: 'No users.', headings, next: page.next }, rows);
      });
    });

  addConsentCommands(users, context);
  addIdentityCommands(users, context);
}

async function createUser(
  context: CommandContext,
  { email, userName, name, admin = false }: CreateOptions,
  json: boolean,
): Promise<void> {
  if (!email && !userName) throw new CommandError('Give --email, --user-name or both: people sign in with them.');
  const services = await context.services();
  const outcome = await services.accounts.create({ email, userName, name, isAdministrator: admin }, BY_COMMAND_LINE);
  if (outcome.kind === 'conflict') {
    const what = outcome.field === 'email' ? `the address ${email}` : `the user name ${userName}`;
    throw new CommandError(`Somebody else has ${what}. Choose another, or find them with \`daemun users list\`.`);
  }
  if (outcome.kind === 'refused') {
    throw new CommandError('The user was not created:', [{ field: outcome.field, message: outcome.message }]);
  }
  await printInvitation(context, services, outcome.account, json);
}

/** A password is never typed or shown here: the person chooses it. */
async function printInvitation(
  context: CommandContext,
  { oneTimeLinks, issuer }: Services,
  account: Account,
  json: boolean,
): Promise<void> {
  const { token, expiresAt } = await oneTimeLinks.createInvitation(account.id, BY_COMMAND_LINE);
  const link = `${issuer}/set-password/${token}`;
  const user = userOf(account);
  print(context, json, { user, link, expiresAt }, () =>
    [
      fieldsOf([
        ['User', user.id],
        ['E-mail', user.email],
        ['User name', user.userName],
        ['Name', user.name],
        ['Administrator', user.isAdministrator],
        ['Link', link],
        ['Valid until', expiresAt],
      ]),
      '',
      'Hand the link to them and nobody else: whoever opens it chooses the password. It works once and is not shown again.',
    ].join('\n'),
  );
}

function userOf({ id, userName, email, name, isAdministrator, state }: Account) {
  return { id, userName, email: email?.address, emailVerified: email?.verified, name, isAdministrator, state };
}
