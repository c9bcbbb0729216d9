import type { Context } from 'koa';
import { ambiguousCredentials } from '../platform/errors.ts';

/** What a request brings along to say who it is for. */
export type Credential = { kind: 'none' } | { kind: 'session' } | { kind: 'bearer'; value: string } | { kind: 'other' };

/** An address is kept in logs, histories and bookmarks: nothing secret belongs there (RFC 6750 2.3, RFC 9700 4.3.2). */
const IN_ADDRESS = ['access_token', 'api_key', 'apikey', 'key', 'token'];

/** RFC 6750 2.1 */
const BEARER = /^bearer +([\w.~+/-]+=*)$/i;

const CHOOSE =
  'The request has a session cookie and an Authorization header. Send one of them: programs send no cookies, browsers say `credentials: "omit"` where they send a key or token.';

/**
 * One credential, in one place. Two would leave it to chance which of them decides.
 * @throws AppError ambiguous_credentials
 */
export function readCredential(ctx: Context, sessionCookie: string): Credential {
  const misplaced = Object.keys(ctx.query).find((name) => IN_ADDRESS.includes(name.toLowerCase()));
  if (misplaced !== undefined) {
    throw ambiguousCredentials(
      `The address has the parameter ${misplaced}. Send keys and tokens in the header Authorization: Bearer.`,
    );
  }
  const headers = ctx.req.rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'authorization');
  if (headers.length > 1) throw ambiguousCredentials('The request has more than one Authorization header.');
  const hasSession = hasCookie(ctx, sessionCookie);
  if (headers.length === 0) return { kind: hasSession ? 'session' : 'none' };
  if (hasSession) throw ambiguousCredentials(CHOOSE);
  const value = BEARER.exec(ctx.get('Authorization').trim())?.[1];
  return value === undefined ? { kind: 'other' } : { kind: 'bearer', value };
}

function hasCookie(ctx: Context, name: string): boolean {
  const { cookie } = ctx.headers;
  return cookie?.split(';').some((pair) => pair.trimStart().startsWith(`${name}=`)) === true;
}
