import { Writable } from 'node:stream';
import { pino } from 'pino';
import { describeError, type ErrorDescription } from './describe-error.ts';
import { errorText } from './error-text.ts';
import { oneLine } from './printable.ts';

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

function readableLines(): Writable {
  return new Writable({
    write(chunk, _encoding, done) {
      process.stderr.write(readableLine(String(chunk)));
      done();
    },
  });
}

/** One line that is written as JSON, for people: what strangers chose of it stays text. S-175 */
export function readableLine(json: string): string {
  const { level, time: _, msg = '', error, ...rest } = JSON.parse(json);
  const details = Object.keys(rest).length ? ` ${JSON.stringify(rest)}` : '';
  return `${level}: ${oneLine(`${msg}${details}`)}\n${error ? `${describeChain(error)}\n` : ''}`;
}

function describeChain(error: ErrorDescription): string {
  return `${errorText(error)}${error.cause ? `\ncaused by ${describeChain(error.cause)}` : ''}`;
}
