import { isUnavailable } from '../platform/database/database-errors.ts';
import { isAppError } from '../platform/errors.ts';
import { explainFailure } from '../platform/explain-failure.ts';
import { isOperatorError } from '../platform/operator-error.ts';
import { isCommandError } from './command-error.ts';

/** Written for whoever runs this, or else a defect, which shows where it happened. */
export function failureText(error: unknown): string {
  if (isCommandError(error) || isAppError(error)) return error.message;
  if (isOperatorError(error) || !isUnavailable(error)) return explainFailure(error);
  const { code = 'no connection' } = error as { code?: string };
  return `The database did not answer in time (${code}). Look whether it was done, and try again.`;
}
