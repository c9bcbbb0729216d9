import type { Context } from 'koa';
import type { Screens } from './screens.ts';

/** The built-in client, registered at start by app.ts: public, first of all to look at. */
export const PLAYGROUND_CLIENT_ID = 'playground';

export function playgroundClient(issuer: string) {
  return {
    id: PLAYGROUND_CLIENT_ID,
    name: 'Playground',
    redirectUri: `${issuer}/playground/callback`,
    postLogoutRedirectUri: `${issuer}/playground`,
    scopes: ['openid', 'profile', 'email', 'offline_access'],
  };
}

/** Its script and style are as absent as it is. S-178 */
export function isOfPlayground(asset: string): boolean {
  return asset === 'playground.js' || asset === 'playground.css';
}

/** A relying party in the browser. Never in production: the routes do not exist there. S-178 */
export function createPlayground({ screens, issuer }: { screens: Screens; issuer: string }) {
  const { id, redirectUri, postLogoutRedirectUri, scopes } = playgroundClient(issuer);

  function show(ctx: Context, returning: boolean): void {
    screens.show(
      ctx,
      'playground',
      {
        issuer,
        clientId: id,
        redirectUri,
        postLogoutRedirectUri,
        scopes: scopes.map((name) => ({ name, chosen: name !== 'offline_access' })),
        returning,
      },
      // The answer of a sign-in is in the address: a change of language starts over.
      returning ? { path: '/playground' } : {},
    );
  }

  return {
    start: (ctx: Context) => show(ctx, false),
    returned: (ctx: Context) => show(ctx, true),
  };
}
