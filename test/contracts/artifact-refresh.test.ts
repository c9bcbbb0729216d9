import { describe, expect, test } from '@jest/globals';
import { type Adapters, newValue, outcomesOf, payloadFor, storeGrant, storeRefreshToken } from './artifacts.ts';
import { useStores } from './stores.ts';

const stores = useStores({ refreshGrace: 10 });

/** What the engine does with a refresh token, call by call. */
async function refresh(node: Adapters & { successorOf(value: string): string }, value: string, grantId: string) {
  const adapter = node.adapterFor('RefreshToken');
  const found = await adapter.find(value);
  if (!found || found.consumed) throw Object.assign(new Error('not usable'), { error: 'invalid_grant' });
  await adapter.consume(value);
  const successor = node.successorOf(value);
  await adapter.upsert(successor, payloadFor('RefreshToken', successor, { grantId, rotations: 1 }), 600);
  return successor;
}

/** Lets the grace period of a spent token run out. */
async function age(seconds: number): Promise<void> {
  await stores.database.pool.query(
    `UPDATE protocol_artifacts SET consumed_at = consumed_at - make_interval(secs => $1) WHERE consumed_at IS NOT NULL`,
    [seconds],
  );
}

async function liveRefreshTokens(grantId: string): Promise<number> {
  const { rows } = await stores.database.pool.query(
    `SELECT count(*)::int AS count FROM protocol_artifacts a JOIN protocol_artifacts g ON g.id = a.grant_id
     WHERE a.kind = 'RefreshToken' AND a.consumed_at IS NULL AND g.revoked_at IS NULL AND a.payload ->> 'grantId' = $1`,
    [grantId],
  );
  return rows[0].count;
}

test('S-056 simultaneous refreshes on two nodes all get the same successor, and there is one live row', async () => {
  for (let round = 0; round < 50; round++) {
    const grantId = await storeGrant(stores.first);
    const value = await storeRefreshToken(stores.first, grantId);
    const successors = await Promise.all(
      Array.from({ length: 6 }, (_, i) => refresh(i % 2 ? stores.first : stores.second, value, grantId)),
    );
    expect(new Set(successors)).toEqual(new Set([stores.first.successorOf(value)]));
    expect(await liveRefreshTokens(grantId)).toBe(1);
  }
}, 120_000);

test('S-056 an honest retry on another node gets the same successor', async () => {
  const grantId = await storeGrant(stores.first);
  const value = await storeRefreshToken(stores.first, grantId);
  const successor = await refresh(stores.first, value, grantId);
  expect(await refresh(stores.second, value, grantId)).toBe(successor);
  expect(await liveRefreshTokens(grantId)).toBe(1);
});

test('an honest retry works when the first try was cut off before the successor was stored', async () => {
  const grantId = await storeGrant(stores.first);
  const value = await storeRefreshToken(stores.first, grantId);
  await stores.first.adapterFor('RefreshToken').consume(value);
  expect(await refresh(stores.second, value, grantId)).toBe(stores.first.successorOf(value));
  expect(await liveRefreshTokens(grantId)).toBe(1);
});

describe('S-057 the grace is over', () => {
  test('once the successor was used, at once and for good: the spent token shows as spent', async () => {
    const grantId = await storeGrant(stores.first);
    const value = await storeRefreshToken(stores.first, grantId);
    const successor = await refresh(stores.first, value, grantId);
    await refresh(stores.second, successor, grantId);
    expect(await stores.first.adapterFor('RefreshToken').find(value)).toHaveProperty('consumed');
    await expect(stores.first.adapterFor('RefreshToken').consume(value)).rejects.toMatchObject({
      error: 'invalid_grant',
    });
    expect(await stores.first.adapterFor('Grant').find(grantId)).toBeUndefined();
  });

  test('after its seconds: the spent token shows as spent and ends the family when it is spent again', async () => {
    const grantId = await storeGrant(stores.first);
    const value = await storeRefreshToken(stores.first, grantId);
    const successor = await refresh(stores.first, value, grantId);
    await age(11);
    expect(await stores.second.adapterFor('RefreshToken').find(value)).toHaveProperty('consumed');
    await expect(stores.second.adapterFor('RefreshToken').consume(value)).rejects.toMatchObject({
      error: 'invalid_grant',
    });
    expect(await stores.first.adapterFor('RefreshToken').find(successor)).toBeUndefined();
  });

  test('for everything but the immediate predecessor', async () => {
    const grantId = await storeGrant(stores.first);
    const chain = [await storeRefreshToken(stores.first, grantId)];
    for (let i = 0; i < 3; i++) chain.push(await refresh(stores.first, chain[i]!, grantId));
    const spent = await Promise.all(chain.map((value) => stores.second.adapterFor('RefreshToken').find(value)));
    expect(spent.map((token) => token && 'consumed' in token)).toEqual([true, true, false, false]);
  });

  test('when it is switched off', async () => {
    const strict = stores.open({ refreshGrace: 0 });
    const grantId = await storeGrant(strict);
    const value = await storeRefreshToken(strict, grantId);
    await refresh(strict, value, grantId);
    expect(await strict.adapterFor('RefreshToken').find(value)).toHaveProperty('consumed');
    await expect(refresh(strict, value, grantId)).rejects.toMatchObject({ error: 'invalid_grant' });
  });
});

test('a successor that was used cannot be stored again by a retry that was under way', async () => {
  const grantId = await storeGrant(stores.first);
  const value = await storeRefreshToken(stores.first, grantId);
  const successor = await refresh(stores.first, value, grantId);
  const adapter = stores.first.adapterFor('RefreshToken');
  await adapter.consume(successor);
  const again = adapter.upsert(successor, payloadFor('RefreshToken', successor, { grantId }), 600);
  expect((await outcomesOf([again])).errors).toMatchObject([{ error: 'invalid_grant' }]);
  expect(await liveRefreshTokens(grantId)).toBe(0);
});

test('successors are as long and as unlike as random values, and need the key', () => {
  const values = Array.from({ length: 200 }, newValue);
  const successors = values.map((value) => stores.first.successorOf(value));
  expect(new Set(successors).size).toBe(values.length);
  for (const successor of successors) expect(successor).toMatch(/^[\w-]{43}$/);
  expect(successors).toEqual(values.map((value) => stores.second.successorOf(value)));
  const stranger = stores.open();
  expect(stranger.successorOf(values[0]!)).toBe(successors[0]);
});
