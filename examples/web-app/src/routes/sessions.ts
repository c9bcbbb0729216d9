import { pipeline, Readable } from 'node:stream';
import type Router from '@koa/router';
import type { ApiAccess } from '../api-access.ts';
import type { ApiClient } from '../api-client.ts';
import { AppError } from '../app-error.ts';
import type { Person } from '../browser-sessions.ts';
import { readForm } from '../form.ts';
import { explainProviderError } from '../provider-errors.ts';
import { signedIn, type WebState } from '../session-cookie.ts';
import { connectPage, sessionPage, sessionsPage } from '../views/sessions-page.ts';

const MAX_NOTE_LENGTH = 500;

/** The person's sessions at the API. The browser talks to us, we talk to the API: its tokens never leave the server. */
export function addSessionRoutes(
  router: Router<WebState>,
  { access, api }: { access: ApiAccess; api: ApiClient },
): void {
  router.get('/sessions', async (ctx) => {
    const session = signedIn(ctx.state);
    const { person } = session;
    const list = await use(person, (token) => api.list(token, person.subject));
    ctx.type = 'html';
    ctx.body = list === undefined ? connectPage(session) : sessionsPage(session, list.reverse());
  });

  router.post('/sessions', async (ctx) => {
    const session = signedIn(ctx.state);
    const { person } = session;
    const note = noteOf(await readForm(ctx, session));
    const created = await use(person, (token) => api.create(token, person.subject, note));
    if (created !== undefined) session.notice = 'A session was created.';
    ctx.status = 303;
    ctx.redirect('/sessions');
  });

  router.get('/sessions/:id', async (ctx) => {
    const session = signedIn(ctx.state);
    const { person } = session;
    const list = await use(person, (token) => api.list(token, person.subject));
    const found = list?.find(({ session_id }) => session_id === ctx.params.id);
    if (list !== undefined && found === undefined) {
      const next = { href: '/sessions', label: 'Go to your sessions' };
      throw new AppError(404, 'There is no such session', 'The API forgets them when it restarts.', { next });
    }
    ctx.type = 'html';
    ctx.body = found === undefined ? connectPage(session) : sessionPage(session, found);
  });

  router.post('/sessions/:id', async (ctx) => {
    const session = signedIn(ctx.state);
    const { person } = session;
    const id = ctx.params.id as string;
    const note = noteOf(await readForm(ctx, session));
    const changed = await use(person, (token) => api.change(token, person.subject, id, note));
    if (changed !== undefined) session.notice = 'The session was changed.';
    ctx.status = 303;
    ctx.redirect(`/sessions/${encodeURIComponent(id)}`);
  });

  /** Passes the API's events on, for the script of the page. */
  router.get('/sessions/:id/events', async (ctx) => {
    const { person } = signedIn(ctx.state);
    const gone = new AbortController();
    ctx.res.on('close', () => gone.abort());
    const id = ctx.params.id as string;
    const events = await use(person, (token) =>
      api.watch(token, person.subject, id, ctx.get('last-event-id'), gone.signal),
    );
    if (events?.body == null)
      throw new AppError(409, 'The API is not connected', 'Connect it on the page of your sessions.');
    ctx.respond = false; // to Koa a reader who leaves would be an error; here it is how every stream ends
    ctx.status = 200;
    ctx.set({ 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' });
    pipeline(Readable.fromWeb(events.body as never), ctx.res, () => {});
  });

  async function use<Result>(person: Person, call: (token: string) => Promise<Result>): Promise<Result | undefined> {
    return access.use(person, call).catch((error) => {
      throw explainProviderError(error);
    });
  }
}

function noteOf(form: URLSearchParams): string {
  const note = form.get('note')?.trim() ?? '';
  if (note === '' || note.length > MAX_NOTE_LENGTH) {
    const next = { href: '/sessions', label: 'Go to your sessions' };
    throw new AppError(400, 'The note is not right', `Write 1 to ${MAX_NOTE_LENGTH} characters.`, { next });
  }
  return note;
}
