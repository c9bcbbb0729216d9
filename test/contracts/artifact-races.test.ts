import { describe, expect, test } from '@jest/globals';
import { newValue, outcomesOf, payloadFor, store, storeCode, storeGrant, storeRefreshToken } from './artifacts.ts';
import { useStores } from './stores.ts';

const CODES = 1_000;
const CALLERS = 4;
const AT_ONCE = 50;

const stores = useStores();

/** Runs `attack` for many artifacts, some at a time, so that attacks on different ones share their batches. */
async function forEachOf<Item>(items: Item[], attack: (item: Item) => Promise<void>): Promise<void> {
  for (let from = 0; from < items.length; from += AT_ONCE) {
    await Promise.all(items.slice(from, from + AT_ONCE).map(attack));
  }
}

const nodeOf = (caller: number) => (caller % 2 ? stores.second : stores.first);

describe('S-027 S-056 of many callers on two nodes exactly one spends', () => {
  test.each(['AuthorizationCode', 'PushedAuthorizationRequest', 'DeviceCode', 'RefreshToken'])(
    `a %s, ${CODES} times over, ${CALLERS} callers each`,
    async (model) => {
      // Without a grace period, which exists for refresh tokens only.
      const nodes = [stores.open({ refreshGrace: 0 }), stores.open({ refreshGrace: 0 }), stores.second];
      const callers = model === 'RefreshToken' ? nodes.slice(0, 2) : nodes;
      const values = Array.from({ length: CODES }, newValue);
      await forEachOf(values, async (value) => void (await store(stores.first, model, {}, { value })));
      let won = 0;
      await forEachOf(values, async (value) => {
        const calls = Array.from({ length: CALLERS }, (_, i) =>
          callers[i % callers.length]!.adapterFor(model).consume(value),
        );
        const { succeeded, errors } = await outcomesOf(calls);
        const error = model === 'PushedAuthorizationRequest' ? 'invalid_request_uri' : 'invalid_grant';
        expect({ succeeded, refused: errors.filter((one) => one.error === error).length }).toEqual({
          succeeded: 1,
          refused: CALLERS - 1,
        });
        won += succeeded;
      });
      expect(won).toBe(CODES);
    },
    180_000,
  );
});

test('S-026 S-027 whoever loses the race for a code leaves nothing usable of it', async () => {
  const codes = await Promise.all(
    Array.from({ length: 100 }, async () => {
      const grantId = await storeGrant(stores.first);
      return { grantId, code: await storeCode(stores.first, grantId) };
    }),
  );
  await forEachOf(codes, async ({ code, grantId }) => {
    const redeem = async (caller: number) => {
      await nodeOf(caller).adapterFor('AuthorizationCode').consume(code);
      return store(nodeOf(caller), 'AccessToken', { grantId });
    };
    const settled = await Promise.allSettled([redeem(0), redeem(1)]);
    for (const one of settled) {
      if (one.status === 'rejected') expect(one.reason).toMatchObject({ error: 'invalid_grant' });
      else expect(await stores.second.adapterFor('AccessToken').find(one.value)).toBeUndefined();
    }
    expect(await stores.first.adapterFor('Grant').find(grantId)).toBeUndefined();
  });
}, 120_000);

test('S-143 an interaction is destroyed once, however many callers on two nodes try at once', async () => {
  const interactions = await Promise.all(Array.from({ length: 200 }, () => store(stores.first, 'Interaction')));
  await forEachOf(interactions, async (interaction) => {
    const calls = Array.from({ length: CALLERS }, (_, i) => nodeOf(i).adapterFor('Interaction').destroy(interaction));
    const settled = await Promise.allSettled(calls);
    const reasons = settled.flatMap((one) => (one.status === 'rejected' ? [one.reason.code] : []));
    expect(reasons).toEqual(new Array(CALLERS - 1).fill('interaction_expired'));
  });
}, 60_000);

test('S-042 S-089 of many simultaneous uses of one jti on two nodes exactly one is the first', async () => {
  const jtis = Array.from({ length: 500 }, newValue);
  await forEachOf(jtis, async (jti) => {
    const claims = await Promise.all(Array.from({ length: CALLERS }, (_, i) => nodeOf(i).claimOnce(jti, {}, 60)));
    expect(claims.filter(Boolean)).toHaveLength(1);
  });
  await forEachOf(Array.from({ length: 500 }, newValue), async (value) => {
    // The same through the adapter alone, as an engine without our hook would call it.
    const calls = Array.from({ length: CALLERS }, (_, i) => store(nodeOf(i), 'ReplayDetection', {}, { value }));
    expect((await outcomesOf(calls)).succeeded).toBe(1);
  });
}, 120_000);

test('S-042 a jti may come again when its mark has run out', async () => {
  const jti = newValue();
  expect(await stores.first.claimOnce(jti, {}, -1)).toBe(true);
  expect(await stores.second.claimOnce(jti, {}, 60)).toBe(true);
  expect(await stores.first.claimOnce(jti, {}, 60)).toBe(false);
});

test.each([Number.MAX_SAFE_INTEGER, 1e308, Number.NEGATIVE_INFINITY, 0.5])(
  'S-081 a mark for %p seconds is stored without an error',
  async (lifetime) => {
    expect(await stores.first.claimOnce(newValue(), {}, lifetime)).toBe(true);
  },
);

describe('revocation wins every race with issuance', () => {
  const KINDS = ['AccessToken', 'RefreshToken', 'AuthorizationCode'] as const;

  test('S-036 a grant that is revoked while tokens are stored under it on two nodes ends with nothing usable', async () => {
    const grants = await Promise.all(Array.from({ length: 200 }, () => storeGrant(stores.first)));
    let stored = 0;
    await forEachOf(grants, async (grantId) => {
      const issue = KINDS.flatMap((model) =>
        [stores.first, stores.second].map(async (node) => ({ model, value: await store(node, model, { grantId }) })),
      );
      const revoke = stores.second.adapterFor('Grant').destroy(grantId);
      const issued = await Promise.allSettled(issue);
      await revoke;
      for (const one of issued) {
        if (one.status === 'rejected') {
          expect(one.reason).toMatchObject({ error: 'invalid_grant' });
        } else {
          stored += 1;
          expect(await stores.first.adapterFor(one.value.model).find(one.value.value)).toBeUndefined();
        }
      }
    });
    // Otherwise it was no race: every revocation came first.
    expect(stored).toBeGreaterThan(0);
  }, 120_000);

  test('S-064 what was revoked on one node is gone on the other as soon as the call returned', async () => {
    const grants = await Promise.all(Array.from({ length: 100 }, () => storeGrant(stores.first)));
    await forEachOf(grants, async (grantId) => {
      const value = await store(stores.first, 'AccessToken', { grantId });
      expect(await stores.second.adapterFor('AccessToken').find(value)).toBeDefined();
      await stores.first.adapterFor('Grant').destroy(grantId);
      expect(await stores.second.adapterFor('AccessToken').find(value)).toBeUndefined();
    });
  });

  test('a consumption and a revocation at once leave nothing usable, whoever is first', async () => {
    const grants = await Promise.all(Array.from({ length: 200 }, () => storeGrant(stores.first)));
    await forEachOf(grants, async (grantId) => {
      const refreshToken = await storeRefreshToken(stores.first, grantId);
      await Promise.allSettled([
        stores.first.adapterFor('RefreshToken').consume(refreshToken),
        stores.second.adapterFor('Grant').destroy(grantId),
        stores.second.adapterFor('RefreshToken').revokeByGrantId(grantId),
      ]);
      expect(await stores.first.adapterFor('RefreshToken').find(refreshToken)).toBeUndefined();
      await expect(storeRefreshToken(stores.second, grantId)).rejects.toMatchObject({ error: 'invalid_grant' });
    });
  }, 120_000);
});

describe('a batch with mixed fates', () => {
  test('one caller’s refusal is nobody else’s', async () => {
    const dead = await storeGrant(stores.first);
    await stores.first.adapterFor('Grant').destroy(dead);
    const alive = await storeGrant(stores.first);
    const spent = await storeCode(stores.first, alive);
    const unspent = await storeRefreshToken(stores.first, alive);
    const other = await storeCode(stores.first);
    await stores.first.adapterFor('AuthorizationCode').consume(other);
    const interaction = await store(stores.first, 'Interaction');
    const settled = await Promise.allSettled([
      store(stores.first, 'AccessToken', { grantId: dead }),
      store(stores.first, 'AccessToken', { grantId: alive }),
      stores.first.adapterFor('AuthorizationCode').consume(other),
      stores.first.adapterFor('AuthorizationCode').consume(spent),
      stores.first.adapterFor('RefreshToken').consume(unspent),
      stores.first.adapterFor('Interaction').destroy(interaction),
      store(stores.first, 'Session', { uid: newValue() }),
    ]);
    expect(settled.map(({ status }) => status)).toEqual([
      'rejected',
      'fulfilled',
      'rejected',
      'fulfilled',
      'fulfilled',
      'fulfilled',
      'fulfilled',
    ]);
    expect(await stores.first.adapterFor('Interaction').find(interaction)).toBeUndefined();
  });

  test('data that PostgreSQL cannot store fails its own caller only', async () => {
    const calls = Array.from({ length: 10 }, (_, i) =>
      // A zero byte has no place in a text column.
      store(stores.first, 'Session', { uid: i === 5 ? 'a\0b' : newValue(), accountId: String(i) }),
    );
    const settled = await Promise.allSettled(calls);
    expect(settled.map(({ status }) => status === 'fulfilled')).toEqual(Array.from({ length: 10 }, (_, i) => i !== 5));
  });

  test('two writes of one artifact in one turn happen one after the other', async () => {
    const grantId = await storeGrant(stores.first);
    const value = newValue();
    const adapter = stores.first.adapterFor('RefreshToken');
    const outcomes = await Promise.allSettled([
      adapter.upsert(value, payloadFor('RefreshToken', value, { grantId }), 60),
      adapter.consume(value),
      adapter.upsert(value, payloadFor('RefreshToken', value, { grantId }), 60),
      adapter.destroy(value),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
    expect(await adapter.find(value)).toBeUndefined();
  });
});

test('two requests that add clients to one session at once both stay in it', async () => {
  const uid = newValue();
  const value = await store(stores.first, 'Session', { uid, accountId: '1', authorizations: {} });
  const add = (node: typeof stores.first, client: string) =>
    store(node, 'Session', { uid, accountId: '1', authorizations: { [client]: { grantId: newValue() } } }, { value });
  await Promise.all([add(stores.first, 'a'), add(stores.second, 'b'), add(stores.first, 'c'), add(stores.second, 'd')]);
  const session = await stores.second.adapterFor('Session').find(value);
  expect(Object.keys(session?.authorizations ?? {}).sort()).toEqual(['a', 'b', 'c', 'd']);
});

test('a session with a zero character somewhere can be stored again', async () => {
  const more = { uid: newValue(), accountId: '1', state: { state: 'a\0b' } } as never;
  const value = await store(stores.first, 'Session', more);
  await store(stores.first, 'Session', more, { value });
  expect(await stores.first.adapterFor('Session').find(value)).toMatchObject({ state: { state: 'a\0b' } });
});
