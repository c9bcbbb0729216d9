import type { UserSessions } from '../accounts/sessions.ts';
import { auditContextOf } from './audit-context.ts';
import type { EngineContext } from './engine.ts';

/** Keeps the list of a person's sessions in step with the engine's own, before the answer is sent. S-159 */
export function createSessionRecorder(sessions: Pick<UserSessions, 'start' | 'touch' | 'markEnded'>) {
  return async function recordSession(ctx: EngineContext): Promise<void> {
    const { route, session, result, account } = ctx.oidc;
    if (!session) return;
    if (route === 'end_session_confirm') {
      if ((session as { destroyed?: boolean }).destroyed)
        await sessions.markEnded(session.uid, auditContextOf(ctx.state));
      return;
    }
    // A session that does not stand any more has no account: its person is asked to sign in again.
    if (!account || (route !== 'authorization' && route !== 'resume')) return;
    const { login } = result ?? {};
    if (!login || login.accountId !== account.accountId) return sessions.touch(session.uid);
    const { provider } = login as { provider?: string };
    await sessions.start({
      uid: session.uid,
      userId: account.accountId,
      amr: session.amr ?? [],
      ...(provider !== undefined && { provider }),
      userAgent: ctx.get('User-Agent'),
      ...auditContextOf(ctx.state),
    });
  };
}
