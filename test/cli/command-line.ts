import type { CommandResult, Services } from '../../src/cli/command.ts';
import { createCommandExecutor } from '../../src/cli/execute.ts';

export interface CommandLine {
  /** Runs one command and captures what it prints. */
  run(...argv: string[]): Promise<CommandResult>;
  /** Runs it with --json and reads what it prints; fails when it does not succeed. */
  // biome-ignore lint/suspicious/noExplicitAny: whatever a command prints
  json(...argv: string[]): Promise<any>;
  /** Files that commands may name. */
  files: Record<string, string>;
}

export function openCommandLine(services: Partial<Services>): CommandLine {
  const files: Record<string, string> = {};
  const execute = createCommandExecutor(services as Services);
  const run = (...argv: string[]) => execute({ argv, files });
  return {
    files,
    run,
    async json(...argv) {
      const { exitCode, stdout, stderr } = await run(...argv, '--json');
      if (exitCode !== 0) throw new Error(`${argv.join(' ')}: ${exitCode} ${stderr}`);
      return JSON.parse(stdout);
    },
  };
}
