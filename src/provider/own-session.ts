import type { Context } from 'koa';
import type { StoredAccount } from '../accounts/account.ts';
import type { Adapter, Provider } from './engine.ts';
import { epochTime } from './lifetimes.ts';
import { generationIn } from './session-adapter.ts';

/** Who is signed in here, in the browser that asks. For pages and for our own API; relying parties have their own sessions. */
export interface OwnSession {
  account: StoredAccount;
  /** The `sid` of ID tokens. Not a secret, unlike the cookie. */
  uid: string;
  /** When the person proved who they are, by the clock of this machine. */
  signedInAt: Date;
  /** Seconds since then. */
  age: number;
  amr: string[];
  acr?: string;
}

export interface OwnSessionsOptions {
  provider: () => Provider;
  /** As the engine reads them: with their ends. */
  sessions: Pick<Adapter, 'find'>;
  findAccount(id: string): Promise<StoredAccount | undefined>;
  /** It was used. */
  touch(uid: string): void;
}

/**
 * The session of the browser's cookie, asked of the database each time: not signed out, not ended from elsewhere, not too old, and its
 * person active and not signed out everywhere since. Nothing of it is kept between requests, so that what ends it ends it at once.
 * S-152, S-157, S-158
 */
export function createOwnSessions({ provider, sessions, findAccount, touch }: OwnSessionsOptions) {
  return async function currentSession(ctx: Context): Promise<OwnSession | undefined> {
    const engine = provider();
    const { cookies } = engine.createContext(ctx.req, ctx.res);
    const id = cookies.get(engine.cookieName('session'), { signed: true });
    if (!id) return undefined;
    const session = await sessions.find(id);
    const { accountId, uid, loginTs, amr = [], acr } = session ?? {};
    if (!session || accountId === undefined || uid === undefined || loginTs === undefined) return undefined;
    const account = await findAccount(accountId);
    // As `find-account.ts` has it for the protocol.
    if (account?.state !== 'active' || account.accessGeneration !== (generationIn(session) ?? 0)) return undefined;
    touch(uid);
    const age = Math.max(0, epochTime() - loginTs);
    return { account, uid, signedInAt: new Date(1000 * loginTs), age, amr, ...(acr !== undefined && { acr }) };
  };
}
