import { type Adapter, type AdapterPayload, errors } from '../../src/provider/engine.ts';

interface Entry {
  payload: AdapterPayload;
  expiresAt: number;
}

/**
 * The engine's store as a Map without bounds: what the contract means, said in the fewest words. One process has no races,
 * so it is right by itself. The benchmark measures everything against the engine on this.
 */
export function createMemoryStore(): { adapterFor(model: string): Adapter } {
  const entries = new Map<string, Entry>();
  const members = new Map<string, Set<string>>();
  const sessions = new Map<string, string>();
  const ended = new Set<string>();

  function adapterFor(model: string): Adapter {
    const keyOf = (id: string) => `${model}:${id}`;

    function live(key: string): AdapterPayload | undefined {
      const entry = entries.get(key);
      if (!entry || entry.expiresAt <= Date.now()) return undefined;
      const { grantId } = entry.payload;
      return grantId && model !== 'Interaction' && !entries.has(`Grant:${grantId}`) ? undefined : entry.payload;
    }

    return {
      async find(id) {
        return live(keyOf(id));
      },
      async findByUid(uid) {
        const key = sessions.get(uid);
        return key === undefined ? undefined : live(key);
      },
      async findByUserCode() {
        throw new Error('no user codes');
      },
      async upsert(id, payload, expiresIn = Number.POSITIVE_INFINITY) {
        const key = keyOf(id);
        const { grantId } = payload;
        if (ended.has(key)) {
          if (model === 'Session') return;
          throw new errors.InvalidGrant('grant is revoked');
        }
        if (model === 'ReplayDetection' && live(key)) throw new errors.InvalidRequest('used before');
        if (grantId && model !== 'Interaction') {
          if (!entries.has(`Grant:${grantId}`)) throw new errors.InvalidGrant('grant is revoked');
          const keys = members.get(grantId);
          if (keys) keys.add(key);
          else members.set(grantId, new Set([key]));
        }
        if (model === 'Session') sessions.set(payload.uid!, key);
        entries.set(key, { payload, expiresAt: Date.now() + expiresIn * 1000 });
      },
      async consume(id) {
        const payload = live(keyOf(id));
        if (payload && !payload.consumed) {
          payload.consumed = Math.floor(Date.now() / 1000);
          return;
        }
        if (model === 'PushedAuthorizationRequest') throw new errors.InvalidRequestUri('used before');
        if (payload?.grantId) {
          ended.add(`Grant:${payload.grantId}`);
          entries.delete(`Grant:${payload.grantId}`);
        }
        throw new errors.InvalidGrant('already consumed');
      },
      async destroy(id) {
        const key = keyOf(id);
        entries.delete(key);
        if (model === 'Grant' || model === 'Session') ended.add(key);
      },
      async revokeByGrantId(grantId) {
        for (const key of members.get(grantId) ?? []) {
          if (key.startsWith(`${model}:`)) entries.delete(key);
        }
      },
    };
  }

  return { adapterFor };
}
