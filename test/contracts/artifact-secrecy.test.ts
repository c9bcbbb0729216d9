import { describe, expect, test } from '@jest/globals';
import type { AdapterPayload } from '../../src/provider/engine.ts';
import { newValue, store, storeCode, storeGrant, storeRefreshToken } from './artifacts.ts';
import { useStores } from './stores.ts';

const stores = useStores();

async function dump(): Promise<string> {
  const { rows } = await stores.database.pool.query('SELECT protocol_artifacts::text AS row FROM protocol_artifacts');
  return rows.map(({ row }) => row).join('\n');
}

/** No spelling of a value is anywhere in the table. */
async function expectAbsent(values: string[]): Promise<void> {
  const table = await dump();
  for (const value of values) {
    for (const encoding of ['utf8', 'hex', 'base64', 'base64url'] as const) {
      expect(table).not.toContain(Buffer.from(value).toString(encoding));
      expect(table).not.toContain(Buffer.from(value, 'base64url').toString(encoding));
    }
  }
}

test('S-035 S-070 no code, token, session, request or mark can be read out of the table', async () => {
  const grantId = await storeGrant(stores.first);
  const values = [await storeCode(stores.first, grantId), await storeRefreshToken(stores.first, grantId)];
  const spent = await storeRefreshToken(stores.first, grantId);
  await stores.first.adapterFor('RefreshToken').consume(spent);
  values.push(spent, stores.first.successorOf(spent), stores.first.successorOf(values[1]!));
  for (const model of [
    'AccessToken',
    'ClientCredentials',
    'PushedAuthorizationRequest',
    'ReplayDetection',
    'InitialAccessToken',
  ]) {
    values.push(await store(stores.first, model));
  }
  const session = await store(stores.first, 'Session', { uid: newValue(), accountId: '1' });
  await stores.first.adapterFor('Session').destroy(session);
  values.push(session, await store(stores.first, 'Session', { uid: newValue(), accountId: '1' }));
  await expectAbsent(values);
});

describe('an interaction', () => {
  const cookie = newValue();
  const pushed = newValue();
  const payloadOf = (uid: string) =>
    ({
      returnTo: `https://issuer.example/authorize/${uid}`,
      session: { accountId: '1', uid: newValue(), cookie },
      parJti: pushed,
      params: { id_token_hint: 'eyJhbGciOiJSUzI1NiJ9', login_hint: 'somebody@example.com' },
    }) as AdapterPayload;

  test('S-070 shows neither the session’s cookie nor its own id nor the pushed request that it carries', async () => {
    const value = newValue();
    await store(stores.first, 'Interaction', payloadOf(value), { value });
    expect(await stores.second.adapterFor('Interaction').find(value)).toMatchObject({
      returnTo: expect.stringContaining(value),
      session: { cookie },
      parJti: pushed,
    });
    await expectAbsent([value, cookie, pushed]);
    expect(await dump()).not.toContain('somebody@example.com');
  });

  test('cannot be exchanged for another one', async () => {
    const [value, other] = [newValue(), newValue()];
    await store(stores.first, 'Interaction', payloadOf(value), { value });
    await store(stores.first, 'Interaction', payloadOf(other), { value: other });
    await stores.database.pool.query(
      `UPDATE protocol_artifacts a SET payload = o.payload FROM protocol_artifacts o
       WHERE a.kind = 'Interaction' AND o.kind = 'Interaction' AND a.id <> o.id`,
    );
    await expect(stores.first.adapterFor('Interaction').find(value)).rejects.toThrow();
  });
});
