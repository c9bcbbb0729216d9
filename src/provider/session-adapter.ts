import type { Adapter, AdapterPayload } from './engine.ts';

/**
 * Sessions end a fixed time after the sign-in. The end that was written with a session counts only while the setting is not
 * shorter now: a change holds for sessions that are alive already. S-152
 */
export function endingAfter(sessions: Adapter, lifetime: number): Adapter {
  const shortened = (session: Awaited<ReturnType<Adapter['find']>>): AdapterPayload | undefined => {
    if (!session) return undefined;
    const { loginTs, exp } = session;
    if (loginTs === undefined || exp === undefined || exp <= loginTs + lifetime) return session;
    return { ...session, exp: loginTs + lifetime };
  };
  return {
    find: async (id) => shortened(await sessions.find(id)),
    findByUid: async (uid) => shortened(await sessions.findByUid(uid)),
    findByUserCode: (userCode) => sessions.findByUserCode(userCode),
    upsert: (id, payload, expiresIn) => sessions.upsert(id, payload, expiresIn),
    consume: (id) => sessions.consume(id),
    destroy: (id) => sessions.destroy(id),
    revokeByGrantId: (grantId) => sessions.revokeByGrantId(grantId),
  };
}
