import type { ApiSession } from '../api-client.ts';
import type { SignedInSession } from '../session-cookie.ts';
import { type Html, html } from './html.ts';
import { csrfField, layout } from './layout.ts';

/** Before the first call: the API is another party, so its token is asked for when it is needed, and not before. */
export function connectPage(session: SignedInSession): string {
  const body = html`<section class="hero">
  <p class="eyebrow">The API</p>
  <h1>One more permission</h1>
  <p class="lead">Your sessions live in another service. To act for you there, Maru asks the provider for a token that is
  good at that service and nowhere else.</p>
  <form method="post" action="/connect">${csrfField(session)}<button>Connect the API</button></form>
</section>`;
  return layout(session, { title: 'Connect the API', path: '/sessions', body });
}

export function sessionsPage(session: SignedInSession, list: readonly ApiSession[]): string {
  const body = html`<h1>Your sessions</h1>
<form class="card inline" method="post" action="/sessions">
  ${csrfField(session)}
  <label for="note">A note to keep in a new session</label>
  <input id="note" name="note" required maxlength="500" autocomplete="off">
  <button>Create</button>
</form>
${list.length === 0 ? html`<p class="empty">There is none yet. The API keeps them in memory and forgets them when it restarts.</p>` : cards(list)}`;
  return layout(session, { title: 'Your sessions', path: '/sessions', body });
}

function cards(list: readonly ApiSession[]): Html {
  const items = list.map(
    (entry) => html`<li class="card">
    <h2><a href="${pathOf(entry)}">${noteOf(entry)}</a></h2>
    <p>Version ${entry.version} · ${entry.updated_at.slice(0, 19).replace('T', ' ')} UTC</p>
  </li>`,
  );
  return html`<ul class="cards">${items}</ul>`;
}

/** Changes show at once on every screen that has this page open. */
export function sessionPage(session: SignedInSession, entry: ApiSession): string {
  const body = html`<p><a href="/sessions">All sessions</a></p>
<h1>A session</h1>
<section class="card live" data-events="${pathOf(entry)}/events" aria-labelledby="now">
  <h2 id="now">Now</h2>
  <p class="note" data-field="note" aria-live="polite">${noteOf(entry)}</p>
  <p class="hint">Version <span data-field="version">${entry.version}</span> · <span data-field="state">open this page twice and
  change one of them</span></p>
</section>
<form class="card inline" method="post" action="${pathOf(entry)}">
  ${csrfField(session)}
  <label for="note">Change the note</label>
  <input id="note" name="note" required maxlength="500" autocomplete="off" value="${noteOf(entry)}">
  <button>Change</button>
</form>`;
  return layout(session, { title: 'A session', path: '/sessions', script: '/live.js', body });
}

function noteOf({ data }: ApiSession): string {
  return typeof data.note === 'string' ? data.note : JSON.stringify(data);
}

function pathOf({ session_id }: ApiSession): string {
  return `/sessions/${encodeURIComponent(session_id)}`;
}
