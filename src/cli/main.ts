import { readFileSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import { type Environment, loadConfig } from '../config/load.ts';
import { providers } from '../upstreams/registry.ts';
import type { CommandContext } from './command.ts';
import { isRunsElsewhere, type OpenServices, openServicesHere } from './open-services.ts';
import { reportError, runCommand } from './program.ts';
import { runRemotely } from './remote.ts';

/** One command in a process of its own. Answers the exit code. */
export async function main(argv: string[], env?: Environment): Promise<number> {
  const files: Record<string, string> = {};
  let config: Config | undefined;
  let services: OpenServices | undefined;
  const context: CommandContext = {
    write: (text) => process.stdout.write(text),
    writeError: (text) => process.stderr.write(text),
    readFile(path) {
      files[path] = readFileSync(path, 'utf8');
      return files[path];
    },
    config() {
      config ??= loadConfig(providers, env);
      return config;
    },
    async services() {
      services ??= await openServicesHere(context.config());
      return services;
    },
  };
  try {
    return await runCommand(argv, context);
  } catch (error) {
    if (!isRunsElsewhere(error)) throw error;
    return await forward(error.directory, { argv, files }, context);
  } finally {
    await services?.close();
  }
}

async function forward(
  directory: string,
  request: Parameters<typeof runRemotely>[1],
  context: CommandContext,
): Promise<number> {
  try {
    const { exitCode, stdout, stderr } = await runRemotely(directory, request);
    context.write(stdout);
    context.writeError(stderr);
    return exitCode;
  } catch (error) {
    reportError(error, request.argv, context);
    return 1;
  }
}
