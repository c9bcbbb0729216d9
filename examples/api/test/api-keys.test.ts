import { afterEach, expect, jest, test } from '@jest/globals';
import { type RunningApi, startApi } from './support/api.ts';
import { readEvents } from './support/events.ts';

let api: RunningApi;
afterEach(async () => {
  jest.restoreAllMocks();
  await api.close();
  expect(api.failures).toEqual([]);
});

const by = (key: string) => ({ headers: { authorization: `Bearer ${key}` } });

test('a key of an owner is as good as a token', async () => {
  api = await startApi();
  const key = api.provider.keyFor('ann');
  const created = await api.send('POST', '/user/ann/session', { ...by(key), body: { session_id: 'one' } });
  expect(created.status).toBe(201);
  const { sessions } = (await (await api.send('GET', '/user/ann/sessions', { as: 'ann' })).json()) as {
    sessions: unknown[];
  };
  expect(sessions).toEqual([expect.objectContaining({ session_id: 'one' })]);
});

test('a key of somebody else reaches nothing, and one that is not active nobody', async () => {
  api = await startApi();
  const key = api.provider.keyFor('eve');
  expect((await api.send('GET', '/user/ann/sessions', by(key))).status).toBe(403);
  const malformed = await api.send('GET', '/user/eve/sessions', by(`${key.slice(0, -1)}!`));
  expect(malformed.status).toBe(400);
  const another = api.provider.keyFor('eve');
  api.provider.owners.clear();
  const revoked = await api.send('GET', '/user/eve/sessions', by(another));
  expect([revoked.status, revoked.headers.get('www-authenticate')]).toEqual([
    401,
    expect.stringContaining('error="invalid_token"'),
  ]);
});

test('a stream that was opened by a key ends now and then, because the key may have been revoked', async () => {
  api = await startApi({ heartbeatSeconds: 0.01 });
  await api.send('POST', '/user/ann/session', { as: 'ann', body: { session_id: 'one' } });
  const events = readEvents(await api.send('GET', '/stream/ann/one', by(api.provider.keyFor('ann'))));
  await events.next();
  const later = Date.now() + 5 * 60_000;
  jest.spyOn(Date, 'now').mockReturnValue(later);
  expect((await events.next()).done).toBe(true);
});
