import { existsSync, lstatSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import type { CommandResult } from './command.ts';
import { CommandError } from './command-error.ts';
import { type CommandRequest, controlSocketPath } from './control-protocol.ts';

/** Whether a service that takes commands runs on this data directory. */
export async function isServiceRunning(directory: string): Promise<boolean> {
  if (!existsSync(directory)) return false;
  const path = controlSocketPath(directory);
  if (!isTrustworthy(path, directory)) return false;
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** Has the running service carry out a command. @throws CommandError when it goes away meanwhile */
export async function runRemotely(directory: string, request: CommandRequest): Promise<CommandResult> {
  const socket = connect(controlSocketPath(directory));
  let answer = '';
  try {
    socket.write(`${JSON.stringify(request)}\n`);
    for await (const chunk of socket.setEncoding('utf8')) answer += chunk;
    return JSON.parse(answer) as CommandResult;
  } catch (cause) {
    const message =
      'The running service did not answer, so the command may or may not have been carried out. Look before you repeat it.';
    throw Object.assign(new CommandError(message), { cause });
  } finally {
    socket.destroy();
  }
}

/** A long path puts the socket into the common folder for temporary files, where a stranger could have put his own. */
function isTrustworthy(path: string, directory: string): boolean {
  if (process.platform === 'win32') return true;
  const socket = lstatSync(path, { throwIfNoEntry: false });
  return socket?.isSocket() === true && socket.uid === statSync(directory).uid;
}
