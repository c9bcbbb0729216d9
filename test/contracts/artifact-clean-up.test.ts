import { beforeEach, describe, expect, test } from '@jest/globals';
import { newValue, store, storeCode, storeGrant, storeRefreshToken } from './artifacts.ts';
import { useStores } from './stores.ts';

const stores = useStores();
beforeEach(async () => {
  await stores.database.pool.query('DELETE FROM protocol_artifacts');
});

async function kinds(): Promise<string[]> {
  const { rows } = await stores.database.pool.query('SELECT kind FROM protocol_artifacts ORDER BY kind');
  return rows.map(({ kind }) => kind);
}

test('only what is past its time goes', async () => {
  for (const model of ['Session', 'AccessToken', 'Interaction', 'ReplayDetection']) {
    await store(stores.first, model, { uid: newValue() }, { lifetime: -1 });
    await store(stores.first, model, { uid: newValue() }, { lifetime: 60 });
  }
  expect(await stores.first.deleteExpired()).toBe(4);
  expect(await kinds()).toEqual(['AccessToken', 'Interaction', 'ReplayDetection', 'Session']);
  expect(await stores.first.deleteExpired()).toBe(0);
});

test('what has no end is kept', async () => {
  const value = newValue();
  await stores.first.adapterFor('InitialAccessToken').upsert(value, { jti: value }, undefined as never);
  await stores.first.deleteExpired();
  expect(await stores.first.adapterFor('InitialAccessToken').find(value)).toBeDefined();
});

test('a spent refresh token and the tombstone of its grant stay until their time', async () => {
  const grantId = await storeGrant(stores.first);
  const value = await storeRefreshToken(stores.first, grantId);
  await stores.first.adapterFor('RefreshToken').consume(value);
  await stores.first.deleteExpired();
  expect(await kinds()).toEqual(['Grant', 'RefreshToken']);
  await stores.first.adapterFor('Grant').destroy(grantId);
  await stores.first.deleteExpired();
  expect(await kinds()).toContain('Grant');
  await expect(storeRefreshToken(stores.first, grantId)).rejects.toMatchObject({ error: 'invalid_grant' });
});

test('after a tombstone was deleted nothing can be stored under its grant either', async () => {
  const grantId = await storeGrant(stores.first);
  await stores.first.adapterFor('Grant').destroy(grantId);
  await stores.database.pool.query(`UPDATE protocol_artifacts SET expires_at = now() - interval '1 second'`);
  expect(await stores.first.deleteExpired()).toBe(1);
  await expect(storeCode(stores.first, grantId)).rejects.toMatchObject({ error: 'invalid_grant' });
});

describe('a large rest', () => {
  beforeEach(async () => {
    await stores.database.pool.query(
      `INSERT INTO protocol_artifacts (id, kind, payload, expires_at)
       SELECT sha256(n::text::bytea), 'AccessToken', '{}', now() - n * interval '1 second' FROM generate_series(1, 1200) n`,
    );
  });

  test('goes in batches, the oldest first', async () => {
    expect(await stores.first.deleteExpired(500)).toBe(500);
    const { rows } = await stores.database.pool.query(
      `SELECT count(*)::int AS left FROM protocol_artifacts WHERE expires_at < now() - interval '701 seconds'`,
    );
    expect(rows[0].left).toBe(0);
    expect([await stores.first.deleteExpired(500), await stores.first.deleteExpired(500)]).toEqual([500, 200]);
  });

  test('is shared by nodes that clean up at once, and none waits for the other', async () => {
    const rounds = await Promise.all(
      Array.from({ length: 12 }, (_, i) => (i % 2 ? stores.first : stores.second).deleteExpired(150)),
    );
    expect(rounds.reduce((sum, deleted) => sum + deleted, 0)).toBe(1200);
    expect(await kinds()).toEqual([]);
  });
});

describe('S-034 a code', () => {
  test('is void after five wrong proofs, and its grant gives nothing any more', async () => {
    const code = await storeCode(stores.first);
    for (let i = 0; i < 4; i++) expect(await stores.first.burnAfter(code)).toBe(false);
    expect(await stores.second.adapterFor('AuthorizationCode').find(code)).toBeDefined();
    expect(await stores.second.burnAfter(code)).toBe(true);
    expect(await stores.first.adapterFor('AuthorizationCode').find(code)).toBeUndefined();
    await expect(stores.first.adapterFor('AuthorizationCode').consume(code)).rejects.toMatchObject({
      error: 'invalid_grant',
    });
  });

  test('counts parallel tries on two nodes one by one', async () => {
    const code = await storeCode(stores.first);
    const tries = await Promise.all(
      Array.from({ length: 20 }, (_, i) => (i % 2 ? stores.first : stores.second).burnAfter(code)),
    );
    expect(tries.filter((isVoid) => !isVoid)).toHaveLength(4);
    expect(await stores.first.adapterFor('AuthorizationCode').find(code)).toBeUndefined();
  });

  test('that was spent or never was counts as void', async () => {
    const code = await storeCode(stores.first);
    await stores.first.adapterFor('AuthorizationCode').consume(code);
    expect(await stores.first.burnAfter(code)).toBe(true);
    expect(await stores.first.burnAfter(newValue())).toBe(true);
    expect(await stores.first.adapterFor('AuthorizationCode').find(code)).toHaveProperty('consumed');
  });
});
