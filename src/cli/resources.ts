import { type Command, Option } from 'commander';
import type { ResourceServer, ResourceServerChanges } from '../clients/resource-servers.ts';
import { BY_COMMAND_LINE } from './by-command-line.ts';
import type { CommandContext } from './command.ts';
import { CommandError, nothingToChange } from './command-error.ts';
import { inWords } from './key-effects.ts';
import { collectScope, seconds } from './option-values.ts';
import { fieldsOf, print, tableOf } from './output.ts';

interface ResourceOptions {
  name?: string;
  scope?: { name: string; description: string }[];
  format?: 'jwt' | 'opaque';
  lifetime?: number;
  algorithm?: 'ES256' | 'RS256' | 'PS256' | 'EdDSA';
  json?: boolean;
}

const HELP = `
Examples:
  daemun resources create --identifier https://api.example.com --name "Sessions" \\
    --scope "sessions:read=See your sessions" --scope "sessions:write=Change your sessions"
  daemun resources update https://api.example.com --lifetime 5m`;

export function addResourceCommands(program: Command, context: CommandContext): void {
  const resources = program
    .command('resources')
    .description('resource servers: APIs that accept our access tokens')
    .addHelpText('after', HELP);

  const create = resources
    .command('create')
    .description('register a resource server')
    .requiredOption('--identifier <uri>', 'absolute URI: the resource parameter and the audience of its tokens')
    .requiredOption('--name <name>', 'the name that people see');
  addOptions(create).action(
    async ({ identifier, ...options }: ResourceOptions & { identifier: string; name: string }) => {
      const { resourceServers } = await context.services();
      const { name, ...changes } = changesOf(options);
      const outcome = await resourceServers.create({ ...changes, identifier, name: options.name }, BY_COMMAND_LINE);
      if (outcome.kind === 'refused')
        throw new CommandError('The resource server was not registered:', outcome.problems);
      printResource(context, options.json, outcome.resourceServer);
    },
  );

  const update = resources
    .command('update')
    .description('change a resource server; what is not named stays')
    .argument('<identifier>')
    .option('--name <name>', 'the name that people see');
  addOptions(update).action(async (identifier: string, options: ResourceOptions) => {
    const { resourceServers } = await context.services();
    if (!Object.values(changesOf(options)).some((value) => value !== undefined))
      throw nothingToChange('resource server');
    // An opaque token has no signature, so choosing that format drops the algorithm.
    const dropped = options.format === 'opaque' && !options.algorithm ? { signingAlgorithm: null } : {};
    const changes = { ...changesOf(options), ...dropped };
    const outcome = await resourceServers.update(identifier, changes, BY_COMMAND_LINE);
    if (outcome.kind === 'not_found') throw unknownResource(identifier);
    if (outcome.kind === 'refused') throw new CommandError('The resource server was not changed:', outcome.problems);
    printResource(context, options.json, outcome.resourceServer);
  });

  resources
    .command('show')
    .description('show a resource server')
    .argument('<identifier>')
    .option('--json', 'print JSON')
    .action(async (identifier: string, { json = false }: { json?: boolean }) => {
      const { resourceServers } = await context.services();
      const resourceServer = await resourceServers.find(identifier);
      if (!resourceServer) throw unknownResource(identifier);
      printResource(context, json, resourceServer);
    });

  resources
    .command('list')
    .description('list resource servers')
    .option('--json', 'print JSON')
    .action(async ({ json = false }: { json?: boolean }) => {
      const { resourceServers } = await context.services();
      const all = await resourceServers.list();
      print(context, json, { resourceServers: all }, () => {
        if (all.length === 0) return 'No resource servers.';
        const rows = all.map(({ identifier, name, accessTokenFormat, accessTokenLifetime, scopes }) => {
          const lifetime = lifetimeInWords(accessTokenLifetime);
          return [identifier, name, accessTokenFormat, lifetime, scopes.map((scope) => scope.name).join(' ')];
        });
        return tableOf(['IDENTIFIER', 'NAME', 'FORMAT', 'LIFETIME', 'SCOPES'], rows);
      });
    });
}

function addOptions(command: Command): Command {
  return command
    .option('--scope <name=description>', 'a scope and what it lets an application do; may be repeated', collectScope)
    .addOption(
      new Option('--format <format>', 'jwt is checked offline, opaque by introspection').choices(['jwt', 'opaque']),
    )
    .option('--lifetime <duration>', 'of its access tokens; shorter than the server default', seconds)
    .addOption(
      new Option('--algorithm <algorithm>', 'signature of its JWT access tokens; ES256 when not chosen').choices([
        'ES256',
        'RS256',
        'PS256',
        'EdDSA',
      ]),
    )
    .option('--json', 'print JSON');
}

function changesOf({ name, scope, format, lifetime, algorithm }: ResourceOptions) {
  return {
    name,
    scopes: scope,
    accessTokenFormat: format,
    accessTokenLifetime: lifetime,
    signingAlgorithm: algorithm,
  } satisfies ResourceServerChanges;
}

function printResource(context: CommandContext, json = false, resourceServer: ResourceServer): void {
  print(context, json, resourceServer, () =>
    fieldsOf([
      ['Identifier', resourceServer.identifier],
      ['Name', resourceServer.name],
      ['Scopes', resourceServer.scopes.map(({ name, description }) => `${name}: ${description}`)],
      ['Token format', resourceServer.accessTokenFormat],
      ['Token lifetime', lifetimeInWords(resourceServer.accessTokenLifetime)],
      ['Signature', resourceServer.signingAlgorithm],
    ]),
  );
}

function lifetimeInWords(seconds: number | undefined): string {
  return seconds === undefined ? "the server's" : inWords(seconds);
}

function unknownResource(identifier: string): CommandError {
  return new CommandError(`There is no resource server ${identifier}. \`daemun resources list\` shows all.`);
}
