import type { Adapter, AdapterPayload } from './engine.ts';
import { epochTime } from './lifetimes.ts';

/**
 * Sessions end a fixed time after the sign-in, to the second; for tokens the engine forgives some difference between clocks.
 * The end that was written with a session counts only while the setting is not shorter now: a change holds for sessions that
 * are alive already. S-152
 */
export function endingAfter(sessions: Adapter, lifetime: number): Adapter {
  const alive = (session: Awaited<ReturnType<Adapter['find']>>): AdapterPayload | undefined => {
    if (!session) return undefined;
    const { loginTs, exp } = session;
    if (loginTs === undefined || exp === undefined) return session;
    const end = Math.min(exp, loginTs + lifetime);
    return end > epochTime() ? { ...session, exp: end } : undefined;
  };
  return {
    find: async (id) => alive(await sessions.find(id)),
    findByUid: async (uid) => alive(await sessions.findByUid(uid)),
    findByUserCode: (userCode) => sessions.findByUserCode(userCode),
    upsert: (id, payload, expiresIn) => sessions.upsert(id, payload, expiresIn),
    consume: (id) => sessions.consume(id),
    destroy: (id) => sessions.destroy(id),
    revokeByGrantId: (grantId) => sessions.revokeByGrantId(grantId),
  };
}
