import { OperatorError } from '../platform/operator-error.ts';

export type Environment = Record<string, string | undefined>;

export interface ConfigProblem {
  variable: string;
  /** Finishes the sentence "<variable> …". Never holds the value. */
  message: string;
}

/** Everything that is wrong with the configuration, at once. */
export class ConfigError extends OperatorError {
  readonly problems: ConfigProblem[];

  constructor(problems: ConfigProblem[]) {
    const lines = problems.map(({ variable, message }) => `  ${variable} ${message}.`);
    super(`The configuration is not valid:\n${lines.join('\n')}\ndocs/configuration.md explains every variable.`);
    this.name = 'ConfigError';
    this.problems = problems;
  }
}
