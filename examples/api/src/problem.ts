import type { Middleware } from 'koa';

/** What is wrong with one field of a request body; `pointer` is a JSON Pointer (RFC 6901). */
export interface FieldProblem {
  readonly pointer: string;
  readonly detail: string;
}

/** An answer that is not the one asked for, as a problem document (RFC 9457). */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly status: number;
  readonly errors: readonly FieldProblem[];
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    detail: string,
    {
      errors = [],
      headers = {},
    }: { errors?: readonly FieldProblem[]; headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(detail);
    this.status = status;
    this.errors = errors;
    this.headers = headers;
  }
}

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  409: 'Conflict',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

/** Turns problems, and everything unforeseen, into answers. What went wrong inside is for the log, not for the caller. */
export const answerProblems: Middleware = async (ctx, next) => {
  try {
    await next();
  } catch (error) {
    const problem = isProblem(error) ? error : new Problem(500, 'Something went wrong on our side.');
    if (problem !== error) ctx.app.emit('error', error, ctx);
    const { status, message: detail, errors, headers } = problem;
    ctx.status = status;
    ctx.set(headers);
    ctx.type = 'application/problem+json';
    ctx.body = JSON.stringify({ title: TITLES[status], status, detail, ...(errors.length > 0 && { errors }) });
  }
};

function isProblem(error: unknown): error is Problem {
  return (error as { name?: unknown } | null)?.name === 'Problem';
}
