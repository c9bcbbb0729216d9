import type { Tokens } from '../identity-provider.ts';
import type { SignedInSession } from '../session-cookie.ts';
import { type Html, html } from './html.ts';
import { csrfField, layout } from './layout.ts';

export function profilePage(session: SignedInSession): string {
  const { idTokenClaims, userInfo, tokens, apiTokens } = session.person;
  const body = html`<h1>Your profile</h1>
<div class="columns">
  <section class="card" aria-labelledby="userinfo">
    <h2 id="userinfo">From userinfo</h2>
    <p class="hint">Asked for with the access token, as the person is now.</p>
    ${claimList(userInfo)}
  </section>
  <section class="card" aria-labelledby="id-token">
    <h2 id="id-token">From the ID token</h2>
    <p class="hint">Signed by the provider at the moment you signed in.</p>
    ${claimList(idTokenClaims)}
  </section>
  <section class="card wide" aria-labelledby="tokens">
    <h2 id="tokens">Tokens</h2>
    <p class="hint">They stay on the server. Your browser has a cookie, and nothing that is worth stealing elsewhere.</p>
    <div class="columns tokens">
      ${tokenCard('For the provider’s userinfo', tokens)}
      ${apiTokens !== undefined && tokenCard('For the API', apiTokens)}
    </div>
    <form method="post" action="/refresh">${csrfField(session)}<button>Refresh</button></form>
  </section>
</div>`;
  return layout(session, { title: 'Your profile', path: '/profile', body });
}

/** Claims that are times, by the specifications' names for them. */
const TIMES = new Set(['iat', 'exp', 'nbf', 'auth_time', 'updated_at']);

function claimList(claims: Readonly<Record<string, unknown>>): Html {
  const entries = Object.entries(claims).map(
    ([name, value]) =>
      html`<div><dt>${name}</dt><dd>${TIMES.has(name) && typeof value === 'number' ? time(value * 1000) : shown(value)}</dd></div>`,
  );
  return html`<dl class="claims">${entries}</dl>`;
}

function shown(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function tokenCard(purpose: string, { scope, expiresAt, refreshToken }: Tokens): Html {
  return html`<div>
    <h3>${purpose}</h3>
    <dl class="claims">
      <div><dt>Scope</dt><dd>${scope ?? '–'}</dd></div>
      <div><dt>Good until</dt><dd>${time(expiresAt)}</dd></div>
      <div><dt>Can be renewed</dt><dd>${refreshToken === undefined ? 'no' : 'yes'}</dd></div>
    </dl>
  </div>`;
}

/** In UTC, because the server does not know where the reader is. */
function time(milliseconds: number): Html {
  const iso = new Date(milliseconds).toISOString();
  return html`<time datetime="${iso}">${iso.slice(0, 19).replace('T', ' ')} UTC</time>`;
}
