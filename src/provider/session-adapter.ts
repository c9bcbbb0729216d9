import { type Adapter, type AdapterPayload, type EngineContext, Provider } from './engine.ts';
import { epochTime } from './lifetimes.ts';

/** Under which number of its account the session of a request's cookie was signed in. */
const generations = new WeakMap<object, number>();

/**
 * What the engine leaves out about sessions. They end a fixed time after the sign-in, to the second, and earlier when nobody comes
 * by for `idle` seconds; for tokens the engine forgives some difference between clocks. The end that was written with a session
 * counts only while the settings are not shorter now: a change holds for sessions that are alive already. And they remember the
 * number of their account's access they were signed in under, which `find-account.ts` holds against the account. S-152, S-158
 */
export function endingAfter(sessions: Adapter, lifetime: number, idle = Number.POSITIVE_INFINITY): Adapter {
  const alive = (session: Awaited<ReturnType<Adapter['find']>>): AdapterPayload | undefined => {
    if (!session) return undefined;
    const { loginTs, exp, iat } = session;
    if (loginTs === undefined || exp === undefined) return session;
    const end = Math.min(exp, loginTs + lifetime, (iat ?? loginTs) + idle);
    return end > epochTime() ? { ...session, exp: end } : undefined;
  };
  return {
    async find(id) {
      const session = alive(await sessions.find(id));
      if (session && Provider.ctx) generations.set(Provider.ctx, generationIn(session) ?? 0);
      return session;
    },
    findByUid: async (uid) => alive(await sessions.findByUid(uid)),
    findByUserCode: (userCode) => sessions.findByUserCode(userCode),
    upsert(id, payload, expiresIn) {
      const { ctx } = Provider;
      // NOTE the engine never looks at when a session was issued; here it says when it was last stored, and with that last used.
      const used = { ...payload, iat: epochTime() };
      const accessGeneration = payload.accountId && ctx ? generationOfSession(ctx) : undefined;
      return sessions.upsert(id, accessGeneration === undefined ? used : { ...used, accessGeneration }, expiresIn);
    },
    consume: (id) => sessions.consume(id),
    destroy: (id) => sessions.destroy(id),
    revokeByGrantId: (grantId) => sessions.revokeByGrantId(grantId),
  };
}

/** Of the sign-in that this request completes, otherwise of the session it came with. */
export function generationOfSession(ctx: EngineContext): number {
  return generationIn(ctx.oidc.result?.login) ?? generations.get(ctx) ?? 0;
}

/** What a session, or a finished sign-in, was stored with. */
export function generationIn(part: object | undefined): number | undefined {
  return (part as { accessGeneration?: number } | undefined)?.accessGeneration;
}
