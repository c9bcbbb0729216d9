import { createHash, randomBytes } from 'node:crypto';
import type { Context } from 'koa';
import { ACCOUNT_CLIENT_ID } from '../clients/client-id.ts';
import { seeOther } from '../interactions/guards.ts';
import type { Screens } from '../interactions/screens.ts';
import { API_KEYS_PATH, returnPath, SIGNED_IN_PATH } from './paths.ts';
import type { KnowsSessions } from './ports.ts';

/** Seconds: how old a sign-in may be for what needs a fresh one. S-156 */
export const FRESH = 5 * 60;

/** As long as somebody may take to sign in. Milliseconds. */
const PATIENCE = 60 * 60 * 1000;
const STATE = /^([\w-]{43})\.([\w/-]{1,200})$/;

export interface AccountSignIn {
  /** Sends the browser off to sign in, and back to `to`. `fresh`: whoever is signed in proves it once more, unless they just did. */
  begin(ctx: Context, to: string, options?: { fresh?: boolean }): void;
  /** The address that the provider sends it back to. */
  returned(ctx: Context): Promise<void>;
}

export interface AccountSignInOptions {
  issuer: string;
  screens: Screens;
  identityProvider: KnowsSessions;
}

/**
 * Signing in as at any application, by the same pages. The code in the answer is never redeemed: the verifier to its challenge is
 * forgotten before the request is sent, so that it is worth nothing to anybody. What counts afterwards is the provider's own session.
 */
export function createAccountSignIn({ issuer, screens, identityProvider }: AccountSignInOptions): AccountSignIn {
  const secure = issuer.startsWith('https:');
  const cookieName = secure ? '__Host-daemun_account' : 'daemun_account';
  const attributes = { signed: false, httpOnly: true, sameSite: 'lax', secure, path: '/', overwrite: true } as const;

  /** The sign-in that this browser left for, if that is the one it comes back from. */
  function expected(ctx: Context): string | undefined {
    const [, state, to] = STATE.exec(ctx.cookies.get(cookieName, { signed: false }) ?? '') ?? [];
    return state !== undefined && ctx.query.state === state ? to : undefined;
  }

  return {
    begin(ctx, to, { fresh = false } = {}) {
      const state = randomBytes(32).toString('base64url');
      ctx.cookies.secure = secure;
      ctx.cookies.set(cookieName, `${state}.${returnPath(to)}`, { ...attributes, maxAge: PATIENCE });
      const query = new URLSearchParams({
        client_id: ACCOUNT_CLIENT_ID,
        response_type: 'code',
        redirect_uri: `${issuer}${SIGNED_IN_PATH}`,
        scope: 'openid',
        state,
        code_challenge: createHash('sha256').update(randomBytes(32).toString('base64url')).digest('base64url'),
        code_challenge_method: 'S256',
        ...(fresh && { max_age: String(FRESH) }),
      });
      seeOther(ctx, `/authorize?${query}`);
    },

    async returned(ctx) {
      const to = expected(ctx);
      if (to !== undefined) {
        ctx.cookies.secure = secure;
        ctx.cookies.set(cookieName, '', { ...attributes, maxAge: 0 });
      }
      // Not signed in, whatever the reason: sending them back at once could go on for ever.
      if (ctx.query.error !== undefined) {
        // Whoever only did not sign in once more is who they were.
        if (await identityProvider.currentSession(ctx)) return seeOther(ctx, API_KEYS_PATH);
        const view = {
          title: { key: 'account.cancelled.title' },
          text: { key: 'account.cancelled.text' },
          submit: { key: 'login.submit' },
          signInUrl: returnPath(to),
        };
        return screens.show(ctx, 'account-sign-in', view, { path: SIGNED_IN_ERROR });
      }
      // An answer that this browser did not ask for signs nobody in: each page looks at the session for itself.
      seeOther(ctx, returnPath(to));
    },
  };
}

/** Where a change of language comes back to: without what the provider had added to the address. */
const SIGNED_IN_ERROR = `${SIGNED_IN_PATH}?error=access_denied`;
