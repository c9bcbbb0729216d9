import type { Command } from 'commander';
import { type Access, type Acting, type ApiKey, DEFAULT_OVERLAP, type Owner } from '../api-keys/api-key.ts';
import type { ApiKeyValue } from '../api-keys/api-key-value.ts';
import {
  accessInLines,
  addExpiryOptions,
  addOwnerOptions,
  collectAccess,
  type ExpiryOptions,
  expiryOf,
  findOwner,
  type OwnerOptions,
  SCOPE_OPTION,
} from './api-key-options.ts';
import { BY_COMMAND_LINE } from './by-command-line.ts';
import type { CommandContext } from './command.ts';
import { CommandError, nothingToChange } from './command-error.ts';
import { collect, pageSize, seconds } from './option-values.ts';
import { fieldsOf, pageOf, print } from './output.ts';

/** Whoever may use the command line is an administrator. */
const ACTING: Acting = { as: 'administrator' };

const CREATE_HELP = `
The value is printed once, by this command, and never again.

Examples:
  daemun api-keys create --user ada@example.com --name "Backup" --scope "https://api.example.com read write"
  daemun api-keys create --service-account 0198f0aa-6a55-8f1b-9d0e-3f6f1f8c2b11 --name "CI" \\
    --scope "https://api.example.com read" --address 192.0.2.0/24 --expires-in 30d
  export API_KEY=$(daemun api-keys create --system --name "Monitoring" --scope "https://id.example.com/api/v1 users:read" --quiet)`;

const CHANGE_HELP = `
A repeated option replaces the whole list.

Examples:
  daemun api-keys change 0198f0aa-6a55-7f1b-9d0e-3f6f1f8c2b11 --name "Backup of the office" --expires-in 90d
  daemun api-keys change 0198f0aa-6a55-7f1b-9d0e-3f6f1f8c2b11 --scope "https://api.example.com read" --any-address`;

const ROTATE_HELP = `
Examples:
  daemun api-keys rotate 0198f0aa-6a55-7f1b-9d0e-3f6f1f8c2b11               the value before works for 24 more hours
  daemun api-keys rotate 0198f0aa-6a55-7f1b-9d0e-3f6f1f8c2b11 --overlap 0   it ends at once`;

interface PrintOptions {
  json?: boolean;
  quiet?: boolean;
}

interface KeyOptions extends ExpiryOptions {
  name?: string;
  description?: string;
  scope?: Access;
  address?: string[];
  anyAddress?: true;
}

export function addApiKeyCommands(program: Command, context: CommandContext): void {
  const apiKeys = program.command('api-keys').description('keys that programs use where an access token works');
  addCreate(apiKeys, context);
  addShowAndList(apiKeys, context);
  addChange(apiKeys, context);
  addRotate(apiKeys, context);
  addRevoke(apiKeys, context);
}

function addCreate(apiKeys: Command, context: CommandContext): void {
  const command = apiKeys
    .command('create')
    .description('make a key; its value is shown once')
    .requiredOption('--name <name>', 'what it is for')
    .option('--description <text>', 'more about it')
    .requiredOption(...SCOPE_OPTION, collectAccess)
    .option('--address <block>', 'an address or CIDR block that it may be used from; may be repeated', collect);
  addExpiryOptions(addOwnerOptions(command, 'for'))
    .option('--quiet', 'print the value and nothing else')
    .option('--json', 'print JSON')
    .addHelpText('after', CREATE_HELP)
    .action(async ({ json, quiet, ...options }: KeyOptions & OwnerOptions & PrintOptions & { name: string }) => {
      const services = await context.services();
      const owner = await findOwner(services, options);
      if (!owner) throw new CommandError('Say whose key it is: --user, --service-account or --system.');
      const { name, description, scope = {}, address } = options;
      const input = { name, description, access: scope, allowedAddresses: address, ...expiryOf(options) };
      const outcome = await services.apiKeys.create(owner, input, ACTING, BY_COMMAND_LINE);
      switch (outcome.kind) {
        case 'created':
          return printKey(context, { json, quiet }, outcome.apiKey, { value: outcome.value });
        case 'refused':
          throw new CommandError('The key was not made:', outcome.problems);
        case 'limit_reached':
          throw new CommandError(
            `${ownerInWords(owner)} has ${outcome.limit} active keys, which is the limit. Revoke one first, or raise DAEMUN_API_KEYS_PER_OWNER.`,
          );
        case 'owner_not_found':
          throw new CommandError(`${ownerInWords(owner)} is disabled, and a key would do nothing. Enable it first.`);
      }
    });
}

function addShowAndList(apiKeys: Command, context: CommandContext): void {
  apiKeys
    .command('show')
    .description('show a key; its value by the last four characters')
    .argument('<id>', 'id of the key')
    .option('--json', 'print JSON')
    .action(async (id: string, { json }: PrintOptions) => {
      const services = await context.services();
      const apiKey = await services.apiKeys.find(id, ACTING);
      if (!apiKey) throw unknownKey(id);
      printKey(context, { json }, apiKey);
    });

  const list = apiKeys.command('list').description('list keys, newest first');
  addOwnerOptions(list, 'only those of')
    .option('--after <id>', 'begin after this key')
    .option('--limit <number>', 'how many', pageSize, 100)
    .option('--json', 'print JSON')
    .action(
      async ({
        after,
        limit,
        json = false,
        ...options
      }: OwnerOptions & { after?: string; limit: number; json?: boolean }) => {
        const services = await context.services();
        const owner = await findOwner(services, options);
        const filter = { limit, ...(owner && { owner }), ...(after !== undefined && { after }) };
        const page = await services.apiKeys.list(filter, ACTING);
        print(context, json, page, () => {
          const rows = page.apiKeys.map((apiKey) => {
            const { id, name, status, lastUsedAt, expiresAt } = apiKey;
            return [id, ownerInWords(apiKey.owner), name, masked(apiKey), status, lastUsedAt, expiresAt ?? 'never'];
          });
          const headings = ['ID', 'OWNER', 'NAME', 'KEY', 'STATUS', 'LAST USED', 'EXPIRES'];
          return pageOf({ command: 'api-keys list', none: 'No API keys.', headings, next: page.next }, rows);
        });
      },
    );
}

function addChange(apiKeys: Command, context: CommandContext): void {
  const command = apiKeys
    .command('change')
    .description('change a key; what is not named stays')
    .argument('<id>', 'id of the key')
    .option('--name <name>', 'what it is for')
    .option('--description <text>', 'more about it; "" removes it')
    .option(...SCOPE_OPTION, collectAccess)
    .option('--address <block>', 'an address or CIDR block that it may be used from; may be repeated', collect)
    .option('--any-address', 'it may be used from anywhere');
  addExpiryOptions(command)
    .option('--json', 'print JSON')
    .addHelpText('after', CHANGE_HELP)
    .action(async (id: string, { json, ...options }: KeyOptions & PrintOptions) => {
      if (!Object.values(options).some((value) => value !== undefined)) throw nothingToChange('key');
      if (options.address && options.anyAddress) {
        throw new CommandError('Give --address or --any-address, not both.');
      }
      const services = await context.services();
      const { name, description, scope: access, address, anyAddress } = options;
      const allowedAddresses = anyAddress ? [] : address;
      const changes = { name, description: description === '' ? null : description, access, allowedAddresses };
      const outcome = await services.apiKeys.change(id, { ...changes, ...expiryOf(options) }, ACTING, BY_COMMAND_LINE);
      if (outcome.kind === 'not_found') throw unknownKey(id);
      if (outcome.kind === 'ended') throw endedKey(id);
      if (outcome.kind === 'refused') throw new CommandError('The key was not changed:', outcome.problems);
      printKey(context, { json }, outcome.apiKey);
    });
}

function addRotate(apiKeys: Command, context: CommandContext): void {
  const command = apiKeys
    .command('rotate')
    .description('make a successor with the same rights; its value is shown once')
    .argument('<id>', 'id of the key')
    .option('--overlap <duration>', 'how long the value before goes on working', seconds, DEFAULT_OVERLAP);
  addExpiryOptions(command)
    .option('--quiet', 'print the value and nothing else')
    .option('--json', 'print JSON')
    .addHelpText('after', ROTATE_HELP)
    .action(
      async (id: string, { overlap, json, quiet, ...options }: ExpiryOptions & PrintOptions & { overlap: number }) => {
        const services = await context.services();
        const rotation = { overlapSeconds: overlap, ...expiryOf(options) };
        const outcome = await services.apiKeys.rotate(id, rotation, ACTING, BY_COMMAND_LINE);
        switch (outcome.kind) {
          case 'rotated':
            return printKey(context, { json, quiet }, outcome.apiKey, outcome);
          case 'refused':
            throw new CommandError('The key was not rotated:', outcome.problems);
          case 'already_rotated':
            throw new CommandError(`${id} has a successor already: ${outcome.rotatedTo}. Rotate that one.`);
          case 'limit_reached':
            throw new CommandError(
              `${outcome.limit} keys of this owner work already, with those that were replaced. Revoke one first, or give --overlap 0.`,
            );
          case 'ended':
            throw endedKey(id);
          case 'not_found':
            throw unknownKey(id);
        }
      },
    );
}

function addRevoke(apiKeys: Command, context: CommandContext): void {
  apiKeys
    .command('revoke')
    .description('end a key everywhere, at once and for good')
    .argument('<id>', 'id of the key')
    .option('--reason <text>', 'why, for the record')
    .option('--json', 'print JSON')
    .action(async (id: string, { reason, json = false }: { reason?: string; json?: boolean }) => {
      const services = await context.services();
      const outcome = await services.apiKeys.revoke(id, ACTING, BY_COMMAND_LINE, reason);
      if (outcome === 'not_found') throw unknownKey(id);
      const changed = outcome === 'done';
      print(context, json, { id, status: 'revoked', changed }, () =>
        changed ? `${id} is revoked and works nowhere any more.` : `${id} was revoked already.`,
      );
    });
}

interface Made {
  value: ApiKeyValue;
  /** The key that it comes after. */
  replaced?: ApiKey;
}

function printKey(
  context: CommandContext,
  { json = false, quiet = false }: PrintOptions,
  apiKey: ApiKey,
  made?: Made,
): void {
  const value = made?.value.reveal();
  const { replaced } = made ?? {};
  if (quiet && value && !json) {
    context.write(`${value}\n`);
    return;
  }
  print(context, json, { ...apiKey, ...(value && { value }), ...(replaced && { replaced }) }, () => {
    const text = fieldsOf([
      ['ID', apiKey.id],
      ['API key', value ?? masked(apiKey)],
      ['Name', apiKey.name],
      ['Description', apiKey.description],
      ['Owner', ownerInWords(apiKey.owner)],
      ['Status', apiKey.status],
      ['Scopes', accessInLines(apiKey.access)],
      ['Only from', apiKey.allowedAddresses],
      ['Made', apiKey.createdAt],
      ['Made by', apiKey.createdBy],
      ['Last used', apiKey.lastUsedAt],
      ['Expires', apiKey.expiresAt ?? 'never'],
      ['Replaces', apiKey.replaces],
      ['Replaced by', apiKey.rotatedTo],
      ['Revoked', apiKey.revokedAt],
      ['Revoked by', apiKey.revokedBy],
      ['Reason', apiKey.revocationReason],
    ]);
    if (!value) return text;
    const before = replaced?.expiresAt && `\nThe value before ends at ${replaced.expiresAt.toISOString()}.`;
    return `${text}\n\nThe value is not shown again: store it where the program reads it.${before ?? ''}`;
  });
}

function ownerInWords(owner: Owner): string {
  return owner.kind === 'system' ? 'system' : `${owner.kind === 'user' ? 'user' : 'service account'} ${owner.id}`;
}

function masked({ prefix, hint }: ApiKey): string {
  return `${prefix}…${hint}`;
}

function unknownKey(id: string): CommandError {
  return new CommandError(`There is no API key ${id}. \`daemun api-keys list\` shows all.`);
}

function endedKey(id: string): CommandError {
  return new CommandError(`${id} has expired or was revoked, and stays as it is. Make a new key.`);
}
