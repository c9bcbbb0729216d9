import { thrownText } from './error-text.ts';

export interface ErrorDescription {
  name: string;
  message: string;
  code?: string;
  stack?: string;
  cause?: ErrorDescription;
}

/** Only these members: foreign errors carry requests, queries with their values and other things nobody may read. */
export function describeError(value: unknown, depth = 0): ErrorDescription {
  if (!(value && typeof value === 'object' && 'message' in value))
    return { name: 'NonError', message: thrownText(value) };
  const error = value as Error & { code?: unknown };
  const { name, message, code, stack, cause } = error;
  return {
    name,
    message,
    ...(code !== undefined && { code: String(code) }),
    ...(stack && { stack }),
    ...(cause !== undefined && depth < 5 && { cause: describeError(cause, depth + 1) }),
  };
}
