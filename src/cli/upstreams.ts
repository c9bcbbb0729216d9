import type { Command } from 'commander';
import { callbackPath } from '../interactions/upstream-paths.ts';
import { BY_COMMAND_LINE } from './by-command-line.ts';
import type { CommandContext } from './command.ts';
import { CommandError } from './command-error.ts';
import { print, tableOf } from './output.ts';

const HELP = `
Which providers there are is configuration: docs/upstreams.md says how each is set up.

Examples:
  daemun upstreams list
  daemun upstreams disable discord   ends sign-ins that are under way, too; sessions stay
  daemun upstreams enable discord`;

export function addUpstreamCommands(program: Command, context: CommandContext): void {
  const upstreams = program
    .command('upstreams')
    .description('providers elsewhere that people sign in with')
    .addHelpText('after', HELP);

  upstreams
    .command('list')
    .description('list those that are configured, whether they are open, and the redirect URI to register at each')
    .option('--json', 'print JSON')
    .action(async ({ json = false }: { json?: boolean }) => {
      const { issuer, upstreamConnections } = await context.services();
      const all = (await upstreamConnections.list()).map((connection) => {
        return { ...connection, redirectUri: `${issuer}${callbackPath(connection.provider)}` };
      });
      print(context, json, { upstreams: all }, () => {
        if (all.length === 0) return 'No provider is configured. docs/upstreams.md says how one is.';
        const rows = all.map(({ provider, displayName, disabledAt, redirectUri }) => {
          return [provider, displayName, disabledAt ? 'disabled' : 'enabled', disabledAt, redirectUri];
        });
        return tableOf(['PROVIDER', 'NAME', 'STATE', 'SINCE', 'REDIRECT URI'], rows);
      });
    });

  for (const [verb, effect] of [
    ['disable', 'refuse sign-ins, linking and what is under way at once'],
    ['enable', 'offer it again'],
  ] as const) {
    upstreams
      .command(verb)
      .description(effect)
      .argument('<provider>', 'as `daemun upstreams list` names it')
      .option('--json', 'print JSON')
      .action(async (provider: string, { json = false }: { json?: boolean }) => {
        const { upstreamConnections } = await context.services();
        const outcome = await upstreamConnections[verb](provider, BY_COMMAND_LINE);
        if (outcome === 'not_found') {
          throw new CommandError(`There is no provider ${provider}. \`daemun upstreams list\` shows all.`);
        }
        const changed = outcome === 'done';
        print(context, json, { provider, state: `${verb}d`, changed }, () =>
          changed ? `${provider} is ${verb}d.` : `${provider} was ${verb}d already.`,
        );
      });
  }
}
