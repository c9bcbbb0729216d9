import { policyOf } from './client-policy.ts';
import type { Client, Configuration } from './engine.ts';

/** Seconds. */
export interface Lifetimes {
  accessToken: number;
  idToken: number;
  authorizationCode: number;
  refreshToken: number;
  /** From the first refresh token of a family to the last. */
  refreshTokenAbsolute: number;
  session: number;
  /** Since the browser was last here; no such end without it. */
  sessionIdle?: number;
  interaction: number;
}

type Ttl = NonNullable<Configuration['ttl']>;

/**
 * How long everything lives, as functions: a plain number would silently beat what a resource server or client asks for.
 * The shortest wish wins.
 */
export function lifetimesFor(lifetimes: Lifetimes): Ttl {
  const accessToken = (token: { resourceServer?: { accessTokenTTL?: number } }, client: Client) =>
    Math.min(
      lifetimes.accessToken,
      token.resourceServer?.accessTokenTTL ?? Number.POSITIVE_INFINITY,
      policyOf(client).accessTokenLifetime ?? Number.POSITIVE_INFINITY,
    );

  return {
    AccessToken: (_ctx, token, client) => accessToken(token as never, client),
    ClientCredentials: (_ctx, token, client) => accessToken(token as never, client),
    AuthorizationCode: () => lifetimes.authorizationCode,
    IdToken: (_ctx, _token, client) =>
      Math.min(lifetimes.idToken, policyOf(client).idTokenLifetime ?? Number.POSITIVE_INFINITY),
    Interaction: () => lifetimes.interaction,

    // Sliding, with an end that rotation cannot move: `iiat` is when the first of the family was issued. S-060
    RefreshToken: (_ctx, token, client) => {
      const left = lifetimes.refreshTokenAbsolute - (token.iiat === undefined ? 0 : token.totalLifetime());
      const wished = policyOf(client).refreshTokenLifetime ?? Number.POSITIVE_INFINITY;
      return Math.max(1, Math.min(lifetimes.refreshToken, wished, left));
    },

    // Counted from the sign-in, and from this visit. Before anybody signed in it only carries a sign-out in progress. S-152
    Session: (_ctx, session) => {
      if (session.loginTs === undefined) return lifetimes.interaction;
      const left = session.loginTs + lifetimes.session - epochTime();
      return Math.max(1, Math.min(left, lifetimes.sessionIdle ?? left));
    },

    // Outlives whatever may be issued under it; `existing-grant.ts` renews it before it gets too short for that.
    Grant: () => grantLifetime(lifetimes),
  };
}

/** A grant serves its whole session, and the last refresh token of that session serves as long again. */
export function grantLifetime({ session, refreshTokenAbsolute }: Lifetimes): number {
  return session + refreshTokenAbsolute + 60;
}

export function epochTime(): number {
  return Math.floor(Date.now() / 1000);
}
