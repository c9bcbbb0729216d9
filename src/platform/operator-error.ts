/**
 * Why the service does not start, in words for whoever runs it: what is wrong and what to do. Printed without a stack;
 * never holds a secret. Everything else that ends a start is a defect and prints its stack.
 */
export class OperatorError extends Error {
  readonly forOperator = true;

  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'OperatorError';
  }
}

export function isOperatorError(error: unknown): error is OperatorError {
  return (error as OperatorError | undefined)?.forOperator === true;
}
