import { errorText, thrownText } from './error-text.ts';
import { isAppError } from './errors.ts';
import { isOperatorError, OperatorError } from './operator-error.ts';
import { oneLine } from './printable.ts';

const BUSY =
  'The database did not answer in time: it is busy, a lock is held there, or the network is cut. Nothing was broken by that; start again.';

/** Causes of causes that are told. */
const DEEPEST = 5;

/** What was written for whoever runs the service: what is wrong, and what to do. Undefined of a defect. */
export function wordsForOperator(error: unknown): string | undefined {
  const known = listenFailure(error) ?? error;
  if (isOperatorError(known)) return known.message;
  return isAppError(known) && known.code === 'unavailable' ? BUSY : undefined;
}

/** For whoever runs the service: the text alone when it was written for them, the whole error when it is a defect. */
export function explainFailure(error: unknown, depth = 0): string {
  const words = wordsForOperator(error);
  if (words !== undefined) return words;
  if (!(error && typeof error === 'object' && 'message' in error)) return oneLine(thrownText(error));
  const { cause } = error as Error;
  const because = cause && depth < DEEPEST ? `\ncaused by ${explainFailure(cause, depth + 1)}` : '';
  return errorText(error as Error) + because;
}

/** What `HttpServer.listen` rejects with. */
interface ListenError extends NodeJS.ErrnoException {
  address?: string;
  port?: number;
  /** Only it has that: a look-up that fails for something else has the same code. */
  portVariable?: string;
}

function listenFailure(error: unknown): OperatorError | undefined {
  const { code, address, port, portVariable } = (error ?? {}) as ListenError;
  if (portVariable === undefined) return undefined;
  switch (code) {
    case 'EADDRINUSE':
      return new OperatorError(
        `Port ${port} on ${address} is in use by another process. Stop it, or set ${portVariable}.`,
        error,
      );
    case 'EACCES':
      return new OperatorError(
        `This user may not listen on port ${port}. Set ${portVariable} to 1024 or above.`,
        error,
      );
    default:
      return new OperatorError(`Cannot listen on ${address ?? 'the address in HOST'} (${code}). Check HOST.`, error);
  }
}
