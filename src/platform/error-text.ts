import { oneLine } from './printable.ts';

/** What is shown of an error. */
export interface ShownError {
  name?: string;
  message?: string;
  stack?: string;
}

/**
 * An error for a terminal: what it says in one line, then where it happened. Strangers choose part of what errors say, and may
 * neither steer the terminal nor write lines that look like ours. S-175
 */
export function errorText({ name = 'Error', message = '', stack = '' }: ShownError): string {
  const at = message === '' ? -1 : stack.indexOf(message);
  const end = at + message.length;
  const said = at < 0 ? `${name}: ${message}` : stack.slice(0, end);
  const frames = (at < 0 ? stack : stack.slice(end)).split('\n').filter((line) => /^ +at /.test(line));
  return [oneLine(said).trimEnd(), ...frames.map(oneLine).map((frame) => `    ${frame.trimStart()}`)].join('\n');
}

/** What was thrown and is no error. */
export function thrownText(value: unknown): string {
  try {
    return String(value);
  } catch {
    return Object.prototype.toString.call(value);
  }
}
