import { Command, type CommanderError } from 'commander';
import { addApiKeyCommands } from './api-keys.ts';
import { addClientCommands } from './clients.ts';
import type { CommandContext } from './command.ts';
import { isCommandError } from './command-error.ts';
import { failureText } from './failure-text.ts';
import { withKeyNames } from './key-names.ts';
import { addKeyCommands } from './keys.ts';
import { addMailCommands } from './mail.ts';
import { addMaintenanceCommands } from './maintenance.ts';
import { isRunsElsewhere } from './open-services.ts';
import { addOutboxCommands } from './outbox.ts';
import { addResourceCommands } from './resources.ts';
import { addServiceAccountCommands } from './service-accounts.ts';
import { addUpstreamCommands } from './upstreams.ts';
import { addUserCommands } from './users.ts';

/**
 * Runs one command and answers its exit code: 0 done, 1 refused or failed, 2 wrong usage.
 * @throws RunsElsewhere, from `context.services()`, when the whole command has to run somewhere else
 */
export async function runCommand(argv: string[], context: CommandContext): Promise<number> {
  try {
    await createProgram(context).parseAsync(withKeyNames(argv), { from: 'user' });
    return 0;
  } catch (error) {
    if (isRunsElsewhere(error)) throw error;
    // Commander has printed its message already.
    if (isCommanderError(error)) return error.exitCode === 0 ? 0 : 2;
    reportError(error, argv, context);
    return 1;
  }
}

function createProgram(context: CommandContext): Command {
  const program = new Command('daemun')
    .description(
      'Manage the users, clients, resource servers, API keys, service accounts, upstreams and signing keys of this Daemun.',
    )
    .configureOutput({ writeOut: context.write, writeErr: context.writeError })
    .configureHelp({ sortSubcommands: false })
    .showHelpAfterError('Add --help to see how it is used.')
    .exitOverride();
  addUserCommands(program, context);
  addClientCommands(program, context);
  addResourceCommands(program, context);
  addApiKeyCommands(program, context);
  addServiceAccountCommands(program, context);
  addUpstreamCommands(program, context);
  addKeyCommands(program, context);
  addOutboxCommands(program, context);
  addMailCommands(program, context);
  addMaintenanceCommands(program, context);
  return program;
}

/** Says on standard error what went wrong. */
export function reportError(error: unknown, argv: string[], context: CommandContext): void {
  const message = failureText(error);
  const problems = isCommandError(error) ? error.problems : [];
  if (argv.includes('--json')) {
    context.writeError(`${JSON.stringify({ error: { message, ...(problems.length && { problems }) } })}\n`);
    return;
  }
  const lines = problems.map(({ field, message: why }) => `\n  ${field} ${why}`);
  context.writeError(`${message}${lines.join('')}\n`);
}

function isCommanderError(error: unknown): error is CommanderError {
  return String((error as CommanderError | undefined)?.code).startsWith('commander.');
}
