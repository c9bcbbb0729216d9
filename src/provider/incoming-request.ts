import type { IncomingMessage } from 'node:http';
import type { Context } from 'koa';
import { badRequest, payloadTooLarge } from '../platform/errors.ts';
import { BODY_LIMIT, readBody, requireFormType } from '../platform/http/form.ts';
import { bodyParameterInQuery } from './protocol-parameters.ts';
import { asGet, hasNul, isForm, unread, withBody, withHeaders } from './request-body.ts';
import { isUnsigned } from './request-objects.ts';
import { LONGEST_REQUEST, sizeProblem, withoutDeepClaims } from './request-size.ts';
import type { Route } from './routes.ts';
import { withoutAmbiguousJwts, withoutAmbiguousProof } from './strict-jwt.ts';

/** Longer addresses are cut or refused by servers and proxies on the way. */
const LONGEST_ADDRESS = 6 * 1024;

const NUL = 'A parameter contains a NUL character.';

/**
 * The request of a browser as the engine shall see it, or nothing when it is answered already: bodies are bounded and are forms,
 * and what the engine does not refuse is refused here.
 * @throws AppError payload_too_large, bad_request, unsupported_media_type
 */
export async function readFromBrowser(ctx: Context, route: Route): Promise<IncomingMessage | undefined> {
  const { req } = ctx;
  if (req.url!.includes('%00')) throw badRequest(undefined, NUL);
  if (ctx.method !== 'POST') return checked(ctx.querystring, () => asGet(req, strict(req.url!)));
  const body = await readBody(req, BODY_LIMIT);
  if (isOtherThanForm(req, body)) requireFormType(req.headers);
  const form = body.toString('utf8');
  if (hasNul(form)) throw badRequest(undefined, NUL);
  if (route.name === 'authorization' || route.name === 'end_session') {
    // Both places together, so that a parameter in each is one that was sent twice.
    return checked(`${ctx.querystring}&${form}`, (parameters) => asAddress(ctx, parameters));
  }
  return withBody(req, body);
}

/**
 * The same for a program, in the context that the engine works with. False when it is answered already.
 * @throws AppError payload_too_large, bad_request when the body was cut off
 */
export async function readFromProgram(ctx: Context, route: Route): Promise<boolean> {
  const { req } = ctx;
  if (req.url!.includes('%00')) return refuse(ctx, NUL);
  const misplaced = route.name !== 'userinfo' && bodyParameterInQuery(req.url!);
  if (misplaced) return refuse(ctx, `${misplaced} must be sent in the body of the request.`);
  const request = withStrictProof(req);
  ctx.request.req = request;
  if (req.method !== 'POST') return true;
  const body = await readBody(req, BODY_LIMIT);
  if (isOtherThanForm(req, body)) {
    return refuse(ctx, 'The body must be application/x-www-form-urlencoded, in UTF-8.');
  }
  const form = body.toString('utf8');
  if (hasNul(form)) return refuse(ctx, NUL);
  if (route.name === 'pushed_authorization_request') {
    const parameters = new URLSearchParams(form);
    const problem = sizeProblem(parameters);
    if (problem) return refuse(ctx, problem);
    if (isUnsigned(parameters.get('request') ?? '')) {
      return refuse(ctx, 'Unsigned request objects are not supported.', 'request_not_supported');
    }
  }
  const strictForm = withoutDeepClaims(withoutAmbiguousJwts(form));
  const strictBody = strictForm === form ? body : Buffer.from(strictForm);
  if (strictBody !== body) ctx.request.req = withHeaders(request, { 'content-length': String(strictBody.length) });
  // The engine reads headers through `ctx.request` and takes nothing but the body from here: to stand a new object before each
  // request, as is done for browsers, would cost more than all of the reading.
  ctx.req = unread(strictBody) as IncomingMessage;
  return true;
}

function isOtherThanForm(req: IncomingMessage, body: Buffer): boolean {
  return !isForm(req) && (body.length > 0 || req.headers['content-type'] !== undefined);
}

/** @throws AppError payload_too_large, bad_request */
function checked(
  encoded: string,
  lead: (parameters: URLSearchParams) => IncomingMessage | undefined,
): IncomingMessage | undefined {
  if (Buffer.byteLength(encoded) > LONGEST_REQUEST) {
    throw payloadTooLarge(`The request is larger than ${LONGEST_REQUEST / 1024} KiB.`);
  }
  const parameters = new URLSearchParams(encoded);
  const problem = sizeProblem(parameters);
  // Without the way back to the client, which would have to carry what is too long.
  if (problem) throw badRequest(undefined, problem);
  return lead(parameters);
}

/**
 * A request that came as a form goes on as an address. Browsers leave our SameSite=Lax cookies out of a form that another site
 * sends, and would seem signed out; they bring them along when we send them to the same request as a GET. What is too long
 * for that is answered at once, which costs a person who is signed in another sign-in.
 * @see OpenID Connect Core 3.1.2.1, RP-Initiated Logout 2
 */
function asAddress(ctx: Context, parameters: URLSearchParams): IncomingMessage | undefined {
  const address = `${ctx.path}?${parameters}`;
  if (address.length > LONGEST_ADDRESS) return asGet(ctx.req, strict(address));
  ctx.redirect(address);
  ctx.status = 303;
  return undefined;
}

function strict(address: string): string {
  const query = address.indexOf('?');
  return query < 0
    ? address
    : `${address.slice(0, query)}?${withoutDeepClaims(withoutAmbiguousJwts(address.slice(query + 1)))}`;
}

function withStrictProof(request: IncomingMessage): IncomingMessage {
  const headers = withoutAmbiguousProof(request.headers);
  return headers === request.headers ? request : withHeaders(request, headers);
}

/** @see RFC 6749 5.2 */
function refuse(ctx: Context, description: string, error = 'invalid_request'): false {
  ctx.status = 400;
  ctx.body = { error, error_description: description };
  return false;
}
