/** A command that was understood and refused, or failed: exit code 1. The message says what to do. */
export class CommandError extends Error {
  readonly problems: { field: string; message: string }[];

  constructor(message: string, problems: { field: string; message: string }[] = []) {
    super(message);
    this.name = 'CommandError';
    this.problems = problems;
  }
}

/** An update without any option would count as one: it has a version and an audit entry. */
export function nothingToChange(what: string): CommandError {
  return new CommandError(
    `The command says nothing to change, so the ${what} stays as it is. --help lists the options.`,
  );
}

/** By name: the same class may be loaded twice. */
export function isCommandError(error: unknown): error is CommandError {
  return (error as Error | undefined)?.name === 'CommandError';
}
