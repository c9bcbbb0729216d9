import type { Caller } from '@daemun/verify';
import type { CallerState, KoaProtectedResource } from '@daemun/verify/koa';
import type Router from '@koa/router';
import type { Context, Next } from 'koa';
import type { EventStreams } from './event-streams.ts';
import { readJsonBody } from './json-body.ts';
import { Problem } from './problem.ts';
import { readNewSession, readSessionChange } from './session.ts';
import type { SessionStore } from './session-store.ts';
import { watchSession } from './watch-session.ts';

/** Milliseconds. */
const LONGEST_STREAM_BY_KEY = 5 * 60_000;

/**
 * The sessions of a person, for that person alone. Reading a stream needs the token too: the id in its path is no
 * secret, it stands in logs and in the list. (A browser's EventSource cannot send a token; `fetch` can, and its body is
 * a stream.)
 */
export function addUserRoutes(
  router: Router<CallerState>,
  { authenticate }: KoaProtectedResource,
  store: SessionStore,
  streams: EventStreams,
): void {
  router.post('/user/:user_id/session', authenticate, onlyOwner, async (ctx) => {
    const { subject } = ctx.state.caller;
    const session = store.of(subject).create(readNewSession(await readJsonBody(ctx)));
    ctx.status = 201;
    ctx.set('location', `/user/${encodeURIComponent(subject)}/session/${session.session_id}`);
    ctx.body = session;
  });

  router.put('/user/:user_id/session/:session_id', authenticate, onlyOwner, async (ctx) => {
    const { session_id } = ctx.params as { session_id: string };
    const sessions = store.of(ctx.state.caller.subject);
    sessions.get(session_id);
    ctx.body = sessions.replace(session_id, readSessionChange(await readJsonBody(ctx)));
  });

  router.get('/user/:user_id/sessions', authenticate, onlyOwner, (ctx) => {
    ctx.set('cache-control', 'no-store');
    ctx.body = { sessions: store.of(ctx.state.caller.subject).list() };
  });

  router.get('/stream/:user_id/:session_id', authenticate, onlyOwner, (ctx) => {
    const { session_id } = ctx.params as { session_id: string };
    const { caller } = ctx.state;
    watchSession(ctx, streams, store.of(caller.subject), session_id, endOfRight(caller));
  });
}

/** A key may live for years, and be revoked in a minute: whoever watches by one shows it again now and then. */
function endOfRight({ expiresAt, keyId }: Caller): number {
  const end = expiresAt?.getTime() ?? Number.POSITIVE_INFINITY;
  return keyId === undefined ? end : Math.min(end, Date.now() + LONGEST_STREAM_BY_KEY);
}

/** Before anything is looked up: a stranger does not even learn which sessions exist. */
async function onlyOwner(ctx: Context, next: Next): Promise<void> {
  if (ctx.params.user_id !== ctx.state.caller.subject)
    throw new Problem(403, 'These sessions belong to somebody else.');
  await next();
}
