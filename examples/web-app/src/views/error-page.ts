import type { AppError } from '../app-error.ts';
import type { BrowserSession } from '../browser-sessions.ts';
import { html } from './html.ts';
import { layout } from './layout.ts';

export function errorPage(session: BrowserSession | undefined, { status, title, message, next }: AppError): string {
  const body = html`<section class="hero">
  <p class="eyebrow">${status}</p>
  <h1>${title}</h1>
  <p class="lead">${message}</p>
  <p><a class="button" href="${next.href}">${next.label}</a></p>
</section>`;
  return layout(session, { title, body });
}
