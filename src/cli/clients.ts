import type { Command } from 'commander';
import type { ClientDetails } from '../clients/client.ts';
import { DEFAULT_SECRET_OVERLAP, type Refused } from '../clients/clients.ts';
import { BY_COMMAND_LINE } from './by-command-line.ts';
import { addClientOptions, type ClientOptions, changesOf, requireChanges } from './client-options.ts';
import type { CommandContext } from './command.ts';
import { CommandError } from './command-error.ts';
import { failureText } from './failure-text.ts';
import { collect, pageSize, seconds } from './option-values.ts';
import { fieldsOf, pageOf, print, printState } from './output.ts';

const CREATE_HELP = `
With a redirect URI the grant types are authorization_code and refresh_token unless you say otherwise.

Examples:
  daemun clients create --name "Notes" --redirect-uri https://notes.example.com/callback
  daemun clients create --name "Notes for phones" --public --redirect-uri com.example.notes:/callback
  daemun clients create --name "Nightly report" --grant-type client_credentials --resource https://api.example.com`;

const UPDATE_HELP = `
A repeated option replaces the whole list.

Examples:
  daemun clients update abc --redirect-uri https://notes.example.com/callback --redirect-uri https://notes.example.org/callback
  daemun clients update abc --unset logo_uri --unset resources`;

const ROTATE_HELP = `
Examples:
  daemun clients rotate-secret abc               the secret before works for 24 more hours
  daemun clients rotate-secret abc --overlap 0   it ends at once`;

export function addClientCommands(program: Command, context: CommandContext): void {
  const clients = program.command('clients').description('applications that people sign in to, and machines');
  addCreate(clients, context);
  addShowAndList(clients, context);
  addUpdate(clients, context);
  addRotateSecret(clients, context);
  addStateChanges(clients, context);
}

function addCreate(clients: Command, context: CommandContext): void {
  const command = clients
    .command('create')
    .description('register a client; its secret is shown once')
    .requiredOption('--name <name>', 'the name that people see')
    .option('--id <id>', 'choose the client id; random without')
    .addHelpText('after', CREATE_HELP);
  addClientOptions(command, context).action(
    async ({ id, json = false, ...options }: ClientOptions & { name: string; id?: string; json?: boolean }) => {
      const { metadata = {}, ...changes } = changesOf(options);
      if (metadata.grant_types === undefined && metadata.redirect_uris !== undefined) {
        metadata.grant_types = ['authorization_code', 'refresh_token'];
      }
      const services = await context.services();
      const outcome = await services.clients.create({ ...changes, id, name: options.name, metadata }, BY_COMMAND_LINE);
      if (outcome.kind === 'refused') throw refusal('The client was not registered:', outcome);
      printClient(context, json, outcome.client, outcome.secret);
    },
  );
}

function addUpdate(clients: Command, context: CommandContext): void {
  const command = clients
    .command('update')
    .description('change a client; what is not named stays')
    .argument('<id>', 'client id')
    .option('--name <name>', 'the name that people see')
    .option('--unset <member>', 'remove a member such as logo_uri, or all resources; may be repeated', collect)
    .addHelpText('after', UPDATE_HELP);
  addClientOptions(command, context).action(
    async (id: string, { unset, json = false, ...options }: ClientOptions & { unset?: string[]; json?: boolean }) => {
      requireChanges({ ...options, unset });
      const services = await context.services();
      const outcome = await services.clients.update(id, changesOf(options, unset), BY_COMMAND_LINE);
      if (outcome.kind === 'not_found') throw unknownClient(id);
      if (outcome.kind === 'refused') throw refusal('The client was not changed:', outcome);
      printClient(context, json, outcome.client, outcome.secret);
    },
  );
}

function addRotateSecret(clients: Command, context: CommandContext): void {
  clients
    .command('rotate-secret')
    .description('make a new secret, shown once')
    .argument('<id>', 'client id')
    .option('--overlap <duration>', 'how long the secret before stays valid', seconds, DEFAULT_SECRET_OVERLAP)
    .option('--json', 'print JSON')
    .addHelpText('after', ROTATE_HELP)
    .action(async (id: string, { overlap, json = false }: { overlap: number; json?: boolean }) => {
      const services = await context.services();
      const outcome = await services.clients.rotateSecret(id, { overlapSeconds: overlap }, BY_COMMAND_LINE);
      if (outcome.kind === 'not_found') throw unknownClient(id);
      if (outcome.kind === 'refused') throw refusal('The secret was not rotated:', outcome);
      printClient(context, json, outcome.client, outcome.secret);
    });
}

function addShowAndList(clients: Command, context: CommandContext): void {
  clients
    .command('show')
    .description('show a client; secrets by their last four characters')
    .argument('<id>', 'client id')
    .option('--json', 'print JSON')
    .action(async (id: string, { json = false }: { json?: boolean }) => {
      const services = await context.services();
      const client = await services.clients.show(id);
      if (!client) throw unknownClient(id);
      printClient(context, json, client);
    });

  clients
    .command('list')
    .description('list clients, oldest first')
    .option('--after <id>', 'begin after this client')
    .option('--limit <number>', 'how many', pageSize, 100)
    .option('--json', 'print JSON')
    .action(async ({ after, limit, json = false }: { after?: string; limit: number; json?: boolean }) => {
      const services = await context.services();
      const page = await services.clients.list({ after, limit });
      print(context, json, page, () => {
        const rows = page.clients.map(({ id, name, metadata, isFirstParty, state }) => {
          return [id, name, metadata.token_endpoint_auth_method, isFirstParty, state];
        });
        const headings = ['ID', 'NAME', 'AUTHENTICATION', 'FIRST PARTY', 'STATE'];
        return pageOf({ command: 'clients list', none: 'No clients.', headings, next: page.next }, rows);
      });
    });
}

function addStateChanges(clients: Command, context: CommandContext): void {
  for (const [verb, effect] of [
    ['disable', 'refuse it from now on and end the tokens that were given to it'],
    ['enable', 'accept it again'],
  ] as const) {
    clients
      .command(verb)
      .description(effect)
      .argument('<id>', 'client id')
      .option('--json', 'print JSON')
      .action(async (id: string, { json = false }: { json?: boolean }) => {
        const services = await context.services();
        const outcome = await services.clients[verb](id, BY_COMMAND_LINE).catch(async (error: unknown) => {
          const isCutOff = verb === 'disable' && (await services.clients.show(id))?.state === 'disabled';
          throw isCutOff ? notAllEnded(id, error) : error;
        });
        if (outcome === 'not_found') throw unknownClient(id);
        printState(context, json, { id, verb, changed: outcome === 'done' });
      });
  }
}

function notAllEnded(id: string, cause: unknown): CommandError {
  return new CommandError(
    `${id} is disabled and refused from now on, but what was given to it is not all ended. Repeat the command, or leave it to the service, which ends the rest within ten minutes.`,
    [{ field: 'because:', message: failureText(cause) }],
  );
}

function printClient(context: CommandContext, json: boolean, client: ClientDetails, secret?: string): void {
  print(context, json, { ...client, ...(secret && { secret }) }, () => {
    const text = fieldsOf([
      ['Client ID', client.id],
      ['Client secret', secret],
      ['Name', client.name],
      ['State', client.state],
      ['First party', client.isFirstParty],
      ['PKCE required', client.requirePkce],
      ['Resources', client.resources],
      ['Service account', client.serviceAccountId],
      ...Object.entries(client.metadata).map(([member, value]): [string, string | string[]] => [member, shown(value)]),
      ['Secrets', client.secrets.map(({ hint, expiresAt }) => `…${hint}${until(expiresAt)}`)],
      ['Version', client.version],
    ]);
    return secret ? `${text}\n\nThe secret is not shown again: store it where the application reads it.` : text;
  });
}

function shown(value: unknown): string | string[] {
  if (Array.isArray(value)) return value.map(String);
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function until(expiresAt: Date | undefined): string {
  if (!expiresAt) return '';
  return expiresAt.getTime() <= Date.now() ? ' (ended)' : ` (until ${expiresAt.toISOString()})`;
}

function refusal(message: string, { problems }: Refused): CommandError {
  return new CommandError(message, problems);
}

function unknownClient(id: string): CommandError {
  return new CommandError(`There is no client ${id}. \`daemun clients list\` shows all.`);
}
