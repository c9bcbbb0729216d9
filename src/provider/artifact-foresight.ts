import { isDeepStrictEqual } from 'node:util';
import type { StoredAccount } from '../accounts/account.ts';
import { accountFromJson } from '../accounts/account-json.ts';
import type { StoredArtifact } from './artifact-reads.ts';
import { payloadOf } from './artifact-record.ts';
import { type AdapterPayload, Provider } from './engine.ts';

/** A session that nothing but time changed is written again after a minute, or a twentieth of a short life. */
const TOUCH_EVERY = 60;
const TOUCH_SHARE = 20;

interface Foreseen {
  grant?: { id: string; payload: string };
  session?: { uid: string; payload: string };
  account?: string;
  /** The session of this request's cookie, as it was loaded. */
  loaded?: { id: string; payload: string };
}

/**
 * What one statement of a request already brought along for its next ones. It lives as long as the request, and each
 * piece is given out once: a second look goes to the database again.
 */
const foreseen = new WeakMap<object, Foreseen>();

function ofThisRequest(): Foreseen | undefined {
  const { ctx } = Provider;
  if (!ctx) return undefined;
  let known = foreseen.get(ctx);
  if (!known) {
    known = {};
    foreseen.set(ctx, known);
  }
  return known;
}

/** Whose grant is needed next, when the session of this request is looked for. */
export function askingClient(): string | undefined {
  const { ctx } = Provider;
  const clientId = ctx?.oidc.route === 'authorization' ? ctx.query.client_id : undefined;
  return typeof clientId === 'string' && clientId !== '' ? clientId : undefined;
}

/** After a token or a session was found: the engine asks for its session, its grant and its person right away. */
export function foresee(
  { grantId, sessionUid }: AdapterPayload,
  { grant, session, account }: Pick<StoredArtifact, 'grant' | 'session' | 'account'>,
): void {
  if (grant === null && account === null) return;
  const known = ofThisRequest();
  if (!known) return;
  if (grant !== null) known.grant = { id: grantId!, payload: grant };
  if (session !== null) known.session = { uid: sessionUid!, payload: session };
  if (account !== null) known.account = account;
}

export function takeGrant(id: string): AdapterPayload | undefined {
  const known = ofThisRequest();
  if (known?.grant?.id !== id) return undefined;
  const { payload } = known.grant;
  delete known.grant;
  return payloadOf('Grant', id, payload);
}

export function takeSession(uid: string): AdapterPayload | undefined {
  const known = ofThisRequest();
  if (known?.session?.uid !== uid) return undefined;
  const { payload } = known.session;
  delete known.session;
  return payloadOf('Session', undefined, payload);
}

export function takeAccount(id: string): StoredAccount | undefined {
  const known = ofThisRequest();
  if (known?.account === undefined) return undefined;
  const account = accountFromJson(known.account);
  if (account.id !== id) return undefined;
  delete known.account;
  return account;
}

export function rememberSession(id: string, payload: string): void {
  const known = ofThisRequest();
  if (known) known.loaded = { id, payload };
}

/**
 * Whether saving this session would only move its end by a little: the engine saves it with every authorization request. The end
 * moves only where sessions end unused (DAEMUN_SESSION_IDLE); one that is in use ends so much too early, and never too late.
 */
export function isMereTouch(id: string, payload: AdapterPayload, lifetime = 0): boolean {
  const loaded = ofThisRequest()?.loaded;
  if (loaded?.id !== id) return false;
  const before = payloadOf('Session', id, loaded.payload);
  const moved = payload.exp! - before.exp!;
  if (!(moved >= 0 && moved < Math.min(TOUCH_EVERY, lifetime / TOUCH_SHARE))) return false;
  const { exp, iat } = before;
  return isDeepStrictEqual(before, JSON.parse(JSON.stringify({ ...payload, exp, iat })));
}
