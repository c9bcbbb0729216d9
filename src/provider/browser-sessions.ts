import type { NewUserSession, PreparedStart, UserSessions } from '../accounts/sessions.ts';
import { auditContextOf } from './audit-context.ts';
import type { EngineContext } from './engine.ts';

/** Requests whose sign-in is stored with the session itself. Where that ended meanwhile, neither is. */
const described = new WeakSet<object>();

/** The session that this request begins, for whoever stores both at once. */
export function createStartDescription(sessions: Pick<UserSessions, 'prepareStart'>) {
  return function describeStart(ctx: EngineContext): PreparedStart | undefined {
    const started = startedSession(ctx);
    if (!started) return undefined;
    described.add(ctx);
    return sessions.prepareStart(started);
  };
}

/** What a person has just signed in to; nothing where nobody did. */
function startedSession(ctx: EngineContext): NewUserSession | undefined {
  const { session, result, account } = ctx.oidc;
  const { login } = result ?? {};
  // A session that does not stand any more has no account: its person is asked to sign in again.
  if (!session || !account || !login || login.accountId !== account.accountId) return undefined;
  const { provider } = login as { provider?: string };
  return {
    uid: session.uid,
    userId: account.accountId,
    amr: session.amr ?? [],
    ...(provider !== undefined && { provider }),
    userAgent: ctx.get('User-Agent'),
    ...auditContextOf(ctx.state),
  };
}

/** Keeps the list of a person's sessions in step with the engine's own, before the answer is sent. S-159 */
export function createSessionRecorder(sessions: Pick<UserSessions, 'start' | 'touch'>) {
  return async function recordSession(ctx: EngineContext): Promise<void> {
    const { route, session, account } = ctx.oidc;
    if (described.has(ctx) || !session || !account || (route !== 'authorization' && route !== 'resume')) return;
    const started = startedSession(ctx);
    if (!started) return sessions.touch(session.uid);
    await sessions.start(started);
  };
}

/**
 * To a browser whose session it does not find the engine gives a new, empty one. But with every sign-in and consent a session gets
 * a new id, and what another tab asked for a moment before comes with the old one. When that can only fail, its empty session must
 * not take the place of the one that the browser was just given: the person would be signed out.
 */
export function keepNewerSession(ctx: EngineContext, cookieName: string): void {
  const { route, params, session } = ctx.oidc;
  const isFailedResume = route === 'resume' && ctx.status >= 400;
  const isSilent = route === 'authorization' && params?.prompt === 'none';
  if (session?.accountId || !(isFailedResume || isSilent)) return;
  const cookies = [ctx.response.get('Set-Cookie') ?? []].flat().filter((cookie) => cookie !== '');
  const others = cookies.filter(
    (cookie) => !cookie.startsWith(`${cookieName}=`) && !cookie.startsWith(`${cookieName}.sig=`),
  );
  if (others.length === cookies.length) return;
  if (others.length === 0) ctx.remove('Set-Cookie');
  else ctx.set('Set-Cookie', others);
}
