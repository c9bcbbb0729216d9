import type Router from '@koa/router';
import type { EventStreams } from './event-streams.ts';
import { readJsonBody } from './json-body.ts';
import { readNewSession, readSessionChange } from './session.ts';
import type { SessionShelf } from './session-store.ts';
import { watchSession } from './watch-session.ts';

/** The older routes, from before there were users: whoever knows the id of a session may change and watch it. */
export function addPublicRoutes(router: Router, sessions: SessionShelf, streams: EventStreams): void {
  router.post('/session', async (ctx) => {
    const session = sessions.create(readNewSession(await readJsonBody(ctx)));
    ctx.status = 201;
    ctx.set('location', `/session/${session.session_id}`);
    ctx.body = session;
  });

  router.put('/session/:session_id', async (ctx) => {
    const { session_id } = ctx.params as { session_id: string };
    sessions.get(session_id);
    ctx.body = sessions.replace(session_id, readSessionChange(await readJsonBody(ctx)));
  });

  router.get('/stream/:session_id', (ctx) => {
    const { session_id } = ctx.params as { session_id: string };
    watchSession(ctx, streams, sessions, session_id);
  });
}
