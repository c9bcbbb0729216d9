import type { Middleware } from 'koa';
import { AppError, SIGN_IN_AGAIN } from './app-error.ts';
import type { BrowserSession, BrowserSessions, Person } from './browser-sessions.ts';

export interface WebState {
  session: BrowserSession | undefined;
  /** Begins a session when there is none. */
  beginSession(): BrowserSession;
  /** The session goes on under a new id. */
  renewSession(): void;
  endSession(): void;
}

export type WebMiddleware = Middleware<WebState>;

/** Finds the session of the browser by its cookie, which scripts cannot read and other sites cannot send along. */
export function sessionCookie(sessions: BrowserSessions, secure: boolean): WebMiddleware {
  const name = secure ? '__Host-maru' : 'maru';

  return async (ctx, next) => {
    let id = ctx.cookies.get(name);
    ctx.cookies.secure = secure; // decided by BASE_URL: behind a proxy that ends TLS the connection itself is plain

    function remember(newId: string): BrowserSession {
      id = newId;
      // Lax and not Strict: the way back from the provider is a navigation that starts at another site
      ctx.cookies.set(name, id, { httpOnly: true, sameSite: 'lax', secure, path: '/', overwrite: true });
      ctx.state.session = sessions.find(id);
      return ctx.state.session as BrowserSession;
    }

    ctx.state.session = sessions.find(id);
    ctx.state.beginSession = () => ctx.state.session ?? remember(sessions.create());
    ctx.state.renewSession = () => remember(sessions.renew(id as string));
    ctx.state.endSession = () => {
      if (id !== undefined) sessions.destroy(id);
      ctx.state.session = undefined;
      ctx.cookies.set(name, null, { httpOnly: true, sameSite: 'lax', secure, path: '/', overwrite: true });
    };
    await next();
  };
}

export interface SignedInSession extends BrowserSession {
  person: Person;
}

/** @throws AppError 401 when nobody is signed in */
export function signedIn({ session }: WebState): SignedInSession {
  if (session?.person === undefined) {
    throw new AppError(401, 'You are not signed in', 'This page is only for people who are.', {
      next: { ...SIGN_IN_AGAIN, label: 'Sign in' },
    });
  }
  return session as SignedInSession;
}
