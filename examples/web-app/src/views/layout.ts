import type { BrowserSession, Person } from '../browser-sessions.ts';
import { type Html, html } from './html.ts';

export interface Page {
  readonly title: string;
  /** The entry of the navigation that this page is. */
  readonly path?: string;
  readonly script?: string;
  readonly body: Html;
}

const NAVIGATION = [
  ['/', 'Home'],
  ['/profile', 'Profile'],
  ['/sessions', 'Sessions'],
] as const;

/** The frame of every page. Shows the notice of the session, and by that uses it up. */
export function layout(session: BrowserSession | undefined, { title, path, script, body }: Page): string {
  const notice = session?.notice;
  if (session !== undefined) session.notice = undefined;
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · Maru</title>
<link rel="icon" href="/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/styles.css">
${script !== undefined && html`<script type="module" src="${script}"></script>`}
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header class="top">
  <a class="brand" href="/"><img src="/favicon.svg" alt="" width="28" height="28">Maru</a>
  ${session?.person ? personMenu(session, session.person, path) : html`<a class="button small" href="/sign-in">Sign in</a>`}
</header>
<main id="content">
${notice !== undefined && html`<p class="notice" role="status">${notice}</p>`}
${body}
</main>
<footer><p>A sample application of Daemun. The <em>maru</em> is the wooden porch behind the front gate.</p></footer>
</body>
</html>
`;
  return page.markup;
}

function personMenu(session: BrowserSession, person: Person, path: string | undefined): Html {
  const links = NAVIGATION.map(
    ([href, label]) => html`<a href="${href}"${href === path && html` aria-current="page"`}>${label}</a>`,
  );
  return html`<nav aria-label="Main">${links}</nav>
  <form class="who" method="post" action="/sign-out">
    ${csrfField(session)}
    <span class="avatar" aria-hidden="true">${initialOf(person)}</span>
    <button class="quiet small">Sign out</button>
  </form>`;
}

export function csrfField(session: BrowserSession): Html {
  return html`<input type="hidden" name="csrf" value="${session.csrfToken}">`;
}

/** What to call somebody: the friendliest claim there is. */
export function nameOf({ userInfo, idTokenClaims, subject }: Person): string {
  const claims = { ...idTokenClaims, ...userInfo };
  const names = [claims.given_name, claims.name, claims.preferred_username, claims.email, subject];
  return names.find((name): name is string => typeof name === 'string' && name !== '') as string;
}

function initialOf(person: Person): string {
  return (Array.from(nameOf(person))[0] as string).toUpperCase();
}
