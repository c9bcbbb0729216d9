import { setTimeout as pause } from 'node:timers/promises';
import type { Config } from '../config/config.ts';
import type { Services } from './command.ts';
import { isServiceRunning } from './remote.ts';

export interface OpenServices extends Services {
  close(): Promise<void>;
}

/** How long a command waits for another one that has the embedded database, or for a service that is starting or ending. */
const PATIENCE = 30_000;
const PAUSE = 100;

/** Thrown inside a command that has to run in the service: `directory` says which. Not a failure. */
export class RunsElsewhere extends Error {
  readonly directory: string;

  constructor(directory: string) {
    super(`A service runs on ${directory} and takes commands.`);
    this.name = 'RunsElsewhere';
    this.directory = directory;
  }
}

export function isRunsElsewhere(error: unknown): error is RunsElsewhere {
  return (error as Error | undefined)?.name === 'RunsElsewhere';
}

/**
 * Opens the same pieces as the service, for one command.
 * @throws RunsElsewhere when a service has the embedded database
 * @throws OperatorError when the database is not fit to work with
 */
export async function openServicesHere(config: Config): Promise<OpenServices> {
  // Late, so that help and wrong usage load nothing.
  const { openServices } = await import('../services.ts');
  const { metrics: _, database, ...rest } = config;
  // Output belongs to the command, and nobody asks it for figures.
  const open = () => openServices({ ...rest, database, logLevel: 'silent' });
  if (database.kind === 'postgresql') return open();
  for (const deadline = Date.now() + PATIENCE; ; await pause(PAUSE)) {
    if (await isServiceRunning(database.directory)) throw new RunsElsewhere(database.directory);
    try {
      return await open();
    } catch (error) {
      if ((error as Error).name !== 'DirectoryInUseError' || Date.now() > deadline) throw error;
    }
  }
}
