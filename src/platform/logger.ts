import { Writable } from 'node:stream';
import { pino } from 'pino';

export type LogLevel = 'silent' | 'error' | 'warn' | 'info' | 'debug';
export type Logger = pino.Logger;

export interface LoggerOptions {
  level: LogLevel;
  production: boolean;
  /** Tests read what is logged. */
  destination?: Writable;
}

/** JSON lines on standard output in production, one readable line on standard error otherwise. */
export function createLogger({ level, production, destination }: LoggerOptions): Logger {
  const options: pino.LoggerOptions = {
    level,
    base: undefined,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { error: describeError, err: describeError },
  };
  if (destination) return pino(options, destination);
  if (!production) return pino(options, readableLines());
  return pino(options, pino.destination({ fd: 1, sync: false, minLength: 0 }));
}

interface ErrorDescription {
  name: string;
  message: string;
  code?: string;
  stack?: string;
  cause?: ErrorDescription;
}

/** Only these members: foreign errors carry requests, queries with their values and other things nobody may read. */
function describeError(value: unknown, depth = 0): ErrorDescription {
  if (!(value && typeof value === 'object' && 'message' in value)) return { name: 'NonError', message: String(value) };
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

function readableLines(): Writable {
  return new Writable({
    write(chunk, _encoding, done) {
      const { level, time: _, msg, error, ...rest } = JSON.parse(String(chunk));
      const details = Object.keys(rest).length ? ` ${JSON.stringify(rest)}` : '';
      process.stderr.write(`${level}: ${msg ?? ''}${details}\n${error ? `${describeChain(error)}\n` : ''}`);
      done();
    },
  });
}

function describeChain({ stack, message, cause }: ErrorDescription): string {
  return `${stack ?? message}${cause ? `\ncaused by ${describeChain(cause)}` : ''}`;
}
