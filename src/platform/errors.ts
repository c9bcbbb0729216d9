interface ErrorKind {
  status: number;
  /** What a stranger may read, in English; screens have their own words for the same code. */
  text: string;
  /** When it happens and what to do, for docs/errors.md. */
  meaning: string;
}

/** Every error this service answers by itself. Protocol errors (RFC 6749 and so on) are the engine's, not listed here. */
export const errorKinds = {
  bad_request: {
    status: 400,
    text: 'The request is not valid.',
    meaning:
      'A field is missing, malformed or sent twice. `field` names it when there is one; `errors` lists all of them.',
  },
  ambiguous_credentials: {
    status: 400,
    text: 'Send one credential: either a session cookie or one Authorization header.',
    meaning:
      'A request to the API says twice who it is for, or says it in the address. Send a key or token in one `Authorization: Bearer` header, and no session cookie along (in browsers: `credentials: "omit"`).',
  },
  interaction_expired: {
    status: 400,
    text: 'This page has expired or was opened in another browser. Go back to the application and start again.',
    meaning: 'A sign-in or consent page without its interaction in this browser. Start again at the application.',
  },
  unauthorized: {
    status: 401,
    text: 'Sign in first.',
    meaning: 'The request needs a signed-in person or a valid token.',
  },
  forbidden: {
    status: 403,
    text: 'You are not allowed to do this.',
    meaning: 'The caller is known and lacks the right.',
  },
  insufficient_scope: {
    status: 403,
    text: 'This credential was not given what the request needs.',
    meaning:
      'A key or token that holds and lacks a scope, or a person who is no administrator. `WWW-Authenticate` names the scope.',
  },
  fresh_sign_in_required: {
    status: 403,
    text: 'Sign in again before you do this.',
    meaning:
      'The sign-in is older than what was asked for allows: `max_age` says how many seconds it may be old. Sign in again (on `/account/api-keys`, or by an authorization request with that `max_age`), then repeat the request.',
  },
  cross_site_request: {
    status: 403,
    text: 'This form was not sent from our own page, or the page was open for too long. Reload it and try again.',
    meaning: 'The CSRF token, its cookie, `Origin` or `Sec-Fetch-Site` does not fit. Reload the page; allow cookies.',
  },
  not_found: {
    status: 404,
    text: 'There is nothing here.',
    meaning: 'Unknown path or unknown object. Paths are matched exactly: case, slashes and encoding count.',
  },
  method_not_allowed: {
    status: 405,
    text: 'This method is not allowed here.',
    meaning: 'The path exists for other methods; `Allow` lists them.',
  },
  conflict: {
    status: 409,
    text: 'This already exists.',
    meaning: 'Something with the same unique value exists. `field` names it when there is one.',
  },
  link_spent: {
    status: 410,
    text: 'This link was used already or has expired.',
    meaning: 'One-time links work once and for a limited time. Ask for a new one.',
  },
  payload_too_large: {
    status: 413,
    text: 'The request is too large.',
    meaning: 'Bodies end at 64 KiB.',
  },
  unsupported_media_type: {
    status: 415,
    text: 'Send the form as application/x-www-form-urlencoded.',
    meaning: 'Another content type, charset or content encoding than the endpoint takes.',
  },
  misdirected: {
    status: 421,
    text: 'This server does not serve the requested host.',
    meaning: 'The `Host` header is not the host of `ISSUER`. Correct `ISSUER`, or the proxy that rewrites `Host`.',
  },
  too_many_requests: {
    status: 429,
    text: 'Too many attempts. Wait a moment and try again.',
    meaning: 'A limit was reached. `Retry-After` says how many seconds to wait.',
  },
  internal: {
    status: 500,
    text: 'Something went wrong on our side. It has been recorded.',
    meaning: 'A defect. The log has the cause under the request id that the answer shows.',
  },
  unavailable: {
    status: 503,
    text: 'The service is busy or partly unavailable. Try again in a moment.',
    meaning:
      'The database cannot be reached or does not answer in time, or more is asked than there is room for (DAEMUN_MOST_REQUESTS). `Retry-After` says how many seconds to wait.',
  },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof errorKinds;

/** What is wrong with one field. */
export interface FieldProblem {
  field: string;
  message: string;
}

export interface ErrorDetails {
  /** Replaces the kind's own text. Shown to strangers: never internals. */
  text?: string;
  field?: string;
  /** All that is wrong, where there may be more than one thing. */
  problems?: readonly FieldProblem[];
  /** Further headers of the answer. */
  headers?: Readonly<Record<string, string>>;
  /** Further members of the problem details. */
  members?: Readonly<Record<string, string | number>>;
  /** Seconds. */
  retryAfter?: number;
  /** For the log only. */
  cause?: unknown;
}

/** A failure that ends the request. Outcomes that every caller must handle are return values instead. */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  readonly publicText: string;
  readonly field?: string;
  readonly retryAfter?: number;
  readonly problems?: readonly FieldProblem[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly members?: Readonly<Record<string, string | number>>;

  constructor(code: ErrorCode, details: ErrorDetails = {}) {
    const { text, field, retryAfter, problems, headers, members, cause } = details;
    const publicText = text ?? errorKinds[code].text;
    super(publicText, cause === undefined ? undefined : { cause });
    this.name = 'AppError';
    this.code = code;
    this.status = errorKinds[code].status;
    this.publicText = publicText;
    if (field !== undefined) this.field = field;
    if (retryAfter !== undefined) this.retryAfter = Math.max(1, Math.ceil(retryAfter));
    if (problems) this.problems = problems;
    if (headers) this.headers = headers;
    if (members) this.members = members;
  }
}

/** By name, not `instanceof`: two copies of this module must still recognise each other's errors. */
export function isAppError(error: unknown): error is AppError {
  return (error as AppError | undefined)?.name === 'AppError' && (error as AppError).code in errorKinds;
}

export function badRequest(field: string | undefined, text: string): AppError {
  return new AppError('bad_request', { field, text });
}

/** All at once, so that nobody mends one after the other. */
export function invalidFields(problems: readonly FieldProblem[]): AppError {
  const [first] = problems;
  return new AppError('bad_request', { problems, ...(problems.length === 1 && first && { field: first.field }) });
}

export function ambiguousCredentials(text?: string): AppError {
  return new AppError('ambiguous_credentials', { text });
}

export function interactionExpired(cause?: unknown): AppError {
  return new AppError('interaction_expired', { cause });
}

export function unauthorized(text?: string, headers?: Readonly<Record<string, string>>): AppError {
  return new AppError('unauthorized', { text, ...(headers && { headers }) });
}

export function insufficientScope(text?: string, headers?: Readonly<Record<string, string>>): AppError {
  return new AppError('insufficient_scope', { text, ...(headers && { headers }) });
}

/** `maxAge`: seconds that a sign-in may be old. */
export function freshSignInRequired(maxAge: number): AppError {
  return new AppError('fresh_sign_in_required', { members: { max_age: maxAge } });
}

export function forbidden(text?: string): AppError {
  return new AppError('forbidden', { text });
}

/** `reason` tells the log which check failed; the person reads the same text for all of them. */
export function crossSiteRequest(reason: string): AppError {
  return new AppError('cross_site_request', { cause: new Error(reason) });
}

export function notFound(text?: string): AppError {
  return new AppError('not_found', { text });
}

export function methodNotAllowed(): AppError {
  return new AppError('method_not_allowed');
}

export function conflict(field?: string, text?: string): AppError {
  return new AppError('conflict', { field, text });
}

export function linkSpent(): AppError {
  return new AppError('link_spent');
}

export function payloadTooLarge(text?: string): AppError {
  return new AppError('payload_too_large', { text });
}

export function unsupportedMediaType(text?: string): AppError {
  return new AppError('unsupported_media_type', { text });
}

export function misdirected(text?: string): AppError {
  return new AppError('misdirected', { text });
}

export function tooManyRequests(retryAfter: number, text?: string): AppError {
  return new AppError('too_many_requests', { retryAfter, text });
}

export function internalError(cause: unknown): AppError {
  return new AppError('internal', { cause });
}

export function unavailable(retryAfter: number, cause?: unknown): AppError {
  return new AppError('unavailable', { retryAfter, cause });
}
