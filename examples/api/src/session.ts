import { type FieldProblem, Problem } from './problem.ts';

/** A named piece of state that its owner changes and others watch. */
export interface Session {
  readonly session_id: string;
  /** Grows by one with each change; the id of the event that announces it. */
  readonly version: number;
  readonly data: Readonly<Record<string, unknown>>;
  readonly created_at: string;
  readonly updated_at: string;
}

export interface SessionInput {
  readonly sessionId: string | undefined;
  readonly data: Readonly<Record<string, unknown>>;
}

/** @throws Problem 400 with every field that is wrong */
export function readNewSession(body: Record<string, unknown>): SessionInput {
  const { session_id: sessionId, data = {} } = body;
  check(
    body,
    ['session_id', 'data'],
    [
      sessionId !== undefined && !(typeof sessionId === 'string' && /^[\w-]{1,64}$/.test(sessionId))
        ? { pointer: '/session_id', detail: 'must be 1 to 64 letters, digits, "-" or "_"' }
        : undefined,
      isObject(data) ? undefined : { pointer: '/data', detail: 'must be an object' },
    ],
  );
  return { sessionId: sessionId as string | undefined, data: data as Record<string, unknown> };
}

/** @throws Problem 400 with every field that is wrong */
export function readSessionChange(body: Record<string, unknown>): Readonly<Record<string, unknown>> {
  const { data } = body;
  check(body, ['data'], [isObject(data) ? undefined : { pointer: '/data', detail: 'must be an object' }]);
  return data as Record<string, unknown>;
}

function check(body: Record<string, unknown>, known: string[], found: (FieldProblem | undefined)[]): void {
  const unknown = Object.keys(body)
    .filter((name) => !known.includes(name))
    .slice(0, 10)
    .map((name) => ({
      pointer: `/${name.slice(0, 64).replace(/~/g, '~0').replace(/\//g, '~1')}`,
      detail: 'is not a known field',
    }));
  const errors = [...found.filter((problem) => problem !== undefined), ...unknown];
  if (errors.length > 0) throw new Problem(400, 'Some fields are not what they must be.', { errors });
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
