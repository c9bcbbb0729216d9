import type { Context } from 'koa';
import type { EventStreams } from './event-streams.ts';
import type { Session } from './session.ts';
import type { SessionShelf } from './session-store.ts';

/**
 * Streams a session: its state now, then each change. A reader that comes back with the `Last-Event-ID` of the newest
 * state is spared the repetition.
 *
 * @throws Problem 404 for an unknown session, 503 when too many streams are open
 */
export function watchSession(
  ctx: Context,
  streams: EventStreams,
  shelf: SessionShelf,
  sessionId: string,
  endsAt = Number.POSITIVE_INFINITY,
): void {
  const session = shelf.get(sessionId);
  if (ctx.method === 'HEAD') {
    ctx.status = 200;
    ctx.set('content-type', 'text/event-stream');
    return;
  }
  let unwatch = () => {};
  const send = streams.open(ctx.res, endsAt, () => unwatch());
  ctx.respond = false; // Koa would end the response
  const announce = (state: Session) => send({ id: String(state.version), name: 'session', data: state });
  unwatch = shelf.watch(sessionId, announce);
  if (ctx.get('last-event-id') !== String(session.version)) announce(session);
}
