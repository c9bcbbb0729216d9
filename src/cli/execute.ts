import type { CommandResult, Services } from './command.ts';
import { CommandError } from './command-error.ts';
import type { CommandRequest } from './control-protocol.ts';
import { runCommand } from './program.ts';

/** Runs commands that were sent to the service, on the service's own pieces, with their output captured. */
export function createCommandExecutor(services: Services): (request: CommandRequest) => Promise<CommandResult> {
  return async function execute({ argv, files }) {
    let stdout = '';
    let stderr = '';
    const exitCode = await runCommand(argv, {
      write: (text) => {
        stdout += text;
      },
      writeError: (text) => {
        stderr += text;
      },
      readFile(path) {
        if (!Object.hasOwn(files, path)) throw Object.assign(new Error('not sent'), { code: 'ENOENT' });
        return files[path]!;
      },
      services: async () => services,
      config() {
        throw new CommandError('This command looks at the process it is typed in and cannot be sent to a service.');
      },
    });
    return { exitCode, stdout, stderr };
  };
}
