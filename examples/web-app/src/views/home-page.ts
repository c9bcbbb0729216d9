import type { BrowserSession, Person } from '../browser-sessions.ts';
import { gate } from './gate.ts';
import { type Html, html } from './html.ts';
import { layout, nameOf } from './layout.ts';

export function homePage(session: BrowserSession | undefined, signedOut: boolean): string {
  const body = session?.person ? welcome(session.person) : invitation(signedOut);
  return layout(session, { title: session?.person ? 'Home' : 'A sample application', path: '/', body });
}

function invitation(signedOut: boolean): Html {
  return html`${signedOut && html`<p class="notice" role="status">You are signed out of this application.</p>`}
<div class="doorstep">
<section class="hero">
  <p class="eyebrow">A sample application</p>
  <h1>It has no passwords.<br>Come in anyway.</h1>
  <p class="lead">Maru leaves its sign-in to Daemun. You prove who you are once, at the front gate, and every application
  behind it can know you.</p>
  <p><a class="button" href="/sign-in">Sign in</a></p>
</section>
${gate}
</div>
<section aria-labelledby="steps">
  <h2 id="steps">What you will see</h2>
  <ol class="steps">
    <li><h3>The gate</h3><p>Your browser goes to the provider and comes back with a code: the authorization code flow, with
    PKCE, <code>state</code> and <code>nonce</code>.</p></li>
    <li><h3>Your profile</h3><p>What the ID token and the userinfo endpoint tell about you, and nothing you did not agree
    to.</p></li>
    <li><h3>An API</h3><p>A token for that one API (<code>resource</code>), which checks it alone, by the provider’s
    published keys.</p></li>
    <li><h3>The way out</h3><p>Signing out here signs you out at the provider, too.</p></li>
  </ol>
</section>`;
}

function welcome(person: Person): Html {
  return html`<section class="hero">
  <p class="eyebrow">Signed in</p>
  <h1>Welcome, ${nameOf(person)}.</h1>
  <p class="lead">The provider vouches for you. Have a look around.</p>
</section>
<ul class="cards">
  <li class="card"><h2><a href="/profile">Your profile</a></h2><p>Every claim this application got about you, and how long
  its tokens are good.</p></li>
  <li class="card"><h2><a href="/sessions">Call the API</a></h2><p>${
    person.apiTokens
      ? 'It is connected: create sessions, and watch them change.'
      : 'Connect it, then create sessions and watch them change.'
  }</p></li>
</ul>`;
}
