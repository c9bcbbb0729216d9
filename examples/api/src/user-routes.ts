import type { CallerState, KoaProtectedResource } from '@daemun/verify/koa';
import type Router from '@koa/router';
import type { Context, Next } from 'koa';
import type { EventStreams } from './event-streams.ts';
import { readJsonBody } from './json-body.ts';
import { Problem } from './problem.ts';
import { readNewSession, readSessionChange } from './session.ts';
import type { SessionStore } from './session-store.ts';
import { watchSession } from './watch-session.ts';

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
    const { subject, expiresAt } = ctx.state.caller;
    watchSession(ctx, streams, store.of(subject), session_id, expiresAt.getTime());
  });
}

/** Before anything is looked up: a stranger does not even learn which sessions exist. */
async function onlyOwner(ctx: Context, next: Next): Promise<void> {
  if (ctx.params.user_id !== ctx.state.caller.subject)
    throw new Problem(403, 'These sessions belong to somebody else.');
  await next();
}
