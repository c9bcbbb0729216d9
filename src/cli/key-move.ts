import type { Command } from 'commander';
import { BY_COMMAND_LINE } from './by-command-line.ts';
import type { CommandContext } from './command.ts';
import { print } from './output.ts';

const HELP = `
For a copy of a database that is to serve as another ISSUER, and for an issuer that has moved. Stop every node on this database before.
All keys are revoked: nothing that was signed with them is accepted any more.`;

export function addMoveCommand(keys: Command, context: CommandContext): void {
  keys
    .command('move')
    .description('end the signing keys of another issuer and make those of ISSUER')
    .option('--json', 'print JSON')
    .addHelpText('after', HELP)
    .action(async ({ json = false }: { json?: boolean }) => {
      const { keys: administration, issuer } = await context.services();
      const { from, revoked } = await administration.move(BY_COMMAND_LINE);
      print(context, json, { issuer, from, revoked }, () =>
        from === issuer
          ? `The keys are those of ${issuer} already. Nothing was changed.`
          : `${revoked.length} keys${from === undefined ? '' : ` of ${from}`} are revoked. ${issuer} has keys of its own.`,
      );
    });
}
