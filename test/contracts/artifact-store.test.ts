import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createArtifactStore } from '../../src/provider/adapter.ts';
import type { AdapterPayload } from '../../src/provider/engine.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import {
  type Adapters,
  MODELS,
  newValue,
  outcomesOf,
  payloadFor,
  store,
  storeCode,
  storeGrant,
  storeRefreshToken,
} from './artifacts.ts';
import { createMemoryStore } from './memory-adapter.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

/** What both implementations must mean. The Map cannot race, so the races are in files of their own. */
const implementations: [string, () => Adapters][] = [
  ['the reference in memory', createMemoryStore],
  [
    'the database',
    () => createArtifactStore({ pool: database.pool, refreshSuccessorKey: Buffer.alloc(32), refreshGrace: 0 }),
  ],
];

describe.each(implementations)('%s', (_name, open) => {
  let adapters: Adapters;
  beforeAll(() => {
    adapters = open();
  });

  test.each(MODELS)('gives back a %s exactly as it was stored, and nothing for another value', async (model) => {
    const value = newValue();
    const grantId = await storeGrant(adapters);
    const payload = payloadFor(model, value, {
      uid: newValue(),
      accountId: '1',
      clientId: 'client',
      scope: 'openid 한국어 "quoted" \\ \u2028',
      extra: { nested: [1, 'two', null, { three: true }] },
      ...(model === 'Grant' ? {} : { grantId }),
    } as AdapterPayload);
    await adapters.adapterFor(model).upsert(value, structuredClone(payload), 600);
    expect(await adapters.adapterFor(model).find(value)).toEqual(payload);
    expect(await adapters.adapterFor(model).find(newValue())).toBeUndefined();
  });

  test('S-067 a truncated, extended or changed value is another value', async () => {
    const value = await storeRefreshToken(adapters);
    const changed = [
      value.slice(0, -1),
      `${value}a`,
      `${value}=`,
      ` ${value}`,
      value.toUpperCase(),
      '',
      '\0',
      value.slice(1),
    ];
    for (const other of changed) {
      expect(await adapters.adapterFor('RefreshToken').find(other)).toBeUndefined();
    }
  });

  test('a value of one kind is not found as another', async () => {
    const value = await storeRefreshToken(adapters);
    for (const model of MODELS.filter((model) => model !== 'RefreshToken')) {
      expect(await adapters.adapterFor(model).find(value)).toBeUndefined();
    }
  });

  test('a session is found by its uid, until it is destroyed', async () => {
    const uid = newValue();
    const value = await store(adapters, 'Session', { uid, accountId: '1' });
    expect(await adapters.adapterFor('Session').findByUid(uid)).toMatchObject({ uid, accountId: '1' });
    expect(await adapters.adapterFor('Session').findByUid(newValue())).toBeUndefined();
    await adapters.adapterFor('Session').destroy(value);
    expect(await adapters.adapterFor('Session').findByUid(uid)).toBeUndefined();
  });

  test('S-150 a session whose identifier changed is found by its uid and no longer by its old identifier', async () => {
    const uid = newValue();
    const before = await store(adapters, 'Session', { uid, accountId: '1' });
    await adapters.adapterFor('Session').destroy(before);
    const after = await store(adapters, 'Session', { uid, accountId: '2' });
    expect(await adapters.adapterFor('Session').find(before)).toBeUndefined();
    expect(await adapters.adapterFor('Session').find(after)).toMatchObject({ accountId: '2' });
    expect(await adapters.adapterFor('Session').findByUid(uid)).toMatchObject({ accountId: '2' });
  });

  test('S-157 a request that still holds a destroyed session cannot bring it back, and does not fail', async () => {
    const uid = newValue();
    const value = await store(adapters, 'Session', { uid, accountId: '1' });
    await adapters.adapterFor('Session').destroy(value);
    await store(adapters, 'Session', { uid, accountId: '1' }, { value });
    expect(await adapters.adapterFor('Session').find(value)).toBeUndefined();
    expect(await adapters.adapterFor('Session').findByUid(uid)).toBeUndefined();
  });

  test.each(['Session', 'Interaction', 'Grant', 'DeviceCode'])(
    'a %s can be stored again with other content',
    async (model) => {
      const value = await store(adapters, model, { uid: newValue(), accountId: '1' });
      await store(adapters, model, { uid: newValue(), accountId: '1', acr: 'new' }, { value });
      expect(await adapters.adapterFor(model).find(value)).toMatchObject({ acr: 'new' });
    },
  );

  test.each(['AuthorizationCode', 'RefreshToken', 'PushedAuthorizationRequest', 'DeviceCode'])(
    'a spent %s shows when it was spent, and is spent once',
    async (model) => {
      const value = await store(
        adapters,
        model,
        model.startsWith('Pushed') ? {} : { grantId: await storeGrant(adapters) },
      );
      const adapter = adapters.adapterFor(model);
      expect(await adapter.find(value)).not.toHaveProperty('consumed');
      await adapter.consume(value);
      expect(await adapter.find(value)).toMatchObject({ consumed: expect.any(Number) });
      const { errors } = await outcomesOf([adapter.consume(value)]);
      expect(errors).toMatchObject([{ error: model.startsWith('Pushed') ? 'invalid_request_uri' : 'invalid_grant' }]);
    },
  );

  test('what was never stored cannot be spent', async () => {
    await expect(adapters.adapterFor('AuthorizationCode').consume(newValue())).rejects.toMatchObject({
      error: 'invalid_grant',
    });
    await expect(adapters.adapterFor('PushedAuthorizationRequest').consume(newValue())).rejects.toMatchObject({
      error: 'invalid_request_uri',
    });
  });

  test('S-026 who spends a code a second time ends the grant and everything under it', async () => {
    const grantId = await storeGrant(adapters);
    const code = await storeCode(adapters, grantId);
    await adapters.adapterFor('AuthorizationCode').consume(code);
    const refreshToken = await storeRefreshToken(adapters, grantId);
    const accessToken = await store(adapters, 'AccessToken', { grantId });
    await expect(adapters.adapterFor('AuthorizationCode').consume(code)).rejects.toMatchObject({
      error: 'invalid_grant',
    });
    expect(await adapters.adapterFor('RefreshToken').find(refreshToken)).toBeUndefined();
    expect(await adapters.adapterFor('AccessToken').find(accessToken)).toBeUndefined();
    expect(await adapters.adapterFor('Grant').find(grantId)).toBeUndefined();
  });

  test('S-042 a replay mark is set once', async () => {
    const value = await store(adapters, 'ReplayDetection', {});
    await expect(store(adapters, 'ReplayDetection', {}, { value })).rejects.toMatchObject({ error: 'invalid_request' });
  });

  test.each(['AuthorizationCode', 'AccessToken', 'RefreshToken', 'DeviceCode'])(
    'a %s is stored under a grant that is there, and not under one that is revoked or was never made',
    async (model) => {
      const grantId = await storeGrant(adapters);
      const before = await store(adapters, model, { grantId });
      await adapters.adapterFor('Grant').destroy(grantId);
      await expect(store(adapters, model, { grantId })).rejects.toMatchObject({ error: 'invalid_grant' });
      await expect(store(adapters, model, { grantId: newValue() })).rejects.toMatchObject({ error: 'invalid_grant' });
      expect(await adapters.adapterFor(model).find(before)).toBeUndefined();
    },
  );

  test('a revoked grant cannot be stored again', async () => {
    const grantId = await storeGrant(adapters);
    await adapters.adapterFor('Grant').destroy(grantId);
    expect(await adapters.adapterFor('Grant').find(grantId)).toBeUndefined();
    await expect(store(adapters, 'Grant', {}, { value: grantId })).rejects.toMatchObject({ error: 'invalid_grant' });
  });

  test('revoking by grant removes one model’s artifacts of that grant and no others', async () => {
    const [grantId, otherGrant] = [await storeGrant(adapters), await storeGrant(adapters)];
    const gone = await storeRefreshToken(adapters, grantId);
    const stays = await store(adapters, 'AccessToken', { grantId });
    const others = await storeRefreshToken(adapters, otherGrant);
    await adapters.adapterFor('RefreshToken').revokeByGrantId(grantId);
    expect(await adapters.adapterFor('RefreshToken').find(gone)).toBeUndefined();
    expect(await adapters.adapterFor('AccessToken').find(stays)).toBeDefined();
    expect(await adapters.adapterFor('RefreshToken').find(others)).toBeDefined();
    expect(await adapters.adapterFor('Grant').find(grantId)).toBeDefined();
  });

  test('an interaction outlives the grant that it remembers', async () => {
    const grantId = await storeGrant(adapters);
    const value = await store(adapters, 'Interaction', { grantId });
    await adapters.adapterFor('Grant').destroy(grantId);
    expect(await adapters.adapterFor('Interaction').find(value)).toMatchObject({ grantId });
  });

  test.each(MODELS.filter((model) => model !== 'Interaction'))(
    'destroying a %s twice, or one that never was, is nothing',
    async (model) => {
      const value = await store(adapters, model, { uid: newValue() });
      await adapters.adapterFor(model).destroy(value);
      await adapters.adapterFor(model).destroy(value);
      await adapters.adapterFor(model).destroy(newValue());
      expect(await adapters.adapterFor(model).find(value)).toBeUndefined();
    },
  );

  test.each(MODELS)('S-028 a %s past its time is not there', async (model) => {
    const value = await store(adapters, model, { uid: newValue() }, { lifetime: -1 });
    expect(await adapters.adapterFor(model).find(value)).toBeUndefined();
  });

  test('the device flow is refused clearly', async () => {
    await expect(adapters.adapterFor('DeviceCode').findByUserCode('AAAA-BBBB')).rejects.toThrow(/user codes/);
  });
});

test('clients are not artifacts', () => {
  const { adapterFor } = createArtifactStore({
    pool: database.pool,
    refreshSuccessorKey: Buffer.alloc(32),
    refreshGrace: 0,
  });
  expect(() => adapterFor('Client')).toThrow(/not artifacts/);
});
