import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type RunningApi, startApi } from './support/api.ts';

let api: RunningApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(async () => {
  await api.close();
  expect(api.failures).toEqual([]);
});

test('an owner creates, changes and lists sessions', async () => {
  const created = await api.send('POST', '/user/ann/session', {
    as: 'ann',
    body: { session_id: 'one', data: { n: 1 } },
  });
  expect([created.status, created.headers.get('location')]).toEqual([201, '/user/ann/session/one']);
  expect(await created.json()).toMatchObject({ session_id: 'one', version: 1, data: { n: 1 } });

  const changed = await api.send('PUT', '/user/ann/session/one', { as: 'ann', body: { data: { n: 2 } } });
  expect(await changed.json()).toMatchObject({ session_id: 'one', version: 2, data: { n: 2 } });

  const listed = await api.send('GET', '/user/ann/sessions', { as: 'ann' });
  expect(await listed.json()).toEqual({ sessions: [expect.objectContaining({ session_id: 'one', version: 2 })] });
});

test('an owner may keep more than a hundred', async () => {
  const create = (n: number) => api.send('POST', '/user/max/session', { as: 'max', body: { data: { n } } });
  const answers = await Promise.all(Array.from({ length: 150 }, (_, n) => create(n)));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
  const { sessions } = (await (await api.send('GET', '/user/max/sessions', { as: 'max' })).json()) as {
    sessions: unknown[];
  };
  expect(sessions).toHaveLength(150);
});

test('a subject with signs that a path must escape is an owner like any other', async () => {
  const created = await api.send('POST', '/user/idp%7Can%2Fn/session', { as: 'idp|an/n', body: { session_id: 'x' } });
  expect([created.status, created.headers.get('location')]).toEqual([201, '/user/idp%7Can%2Fn/session/x']);
  expect((await api.send('PUT', '/user/idp%7Can%2Fn/session/x', { as: 'idp|an/n', body: { data: {} } })).status).toBe(
    200,
  );
});

test('two owners may use the same session_id, and neither reaches the other’s or the public’s', async () => {
  for (const [path, as] of [['/user/p/session', 'p'], ['/user/q/session', 'q'], ['/session']] as const) {
    expect((await api.send('POST', path, { ...(as && { as }), body: { session_id: 'same' } })).status).toBe(201);
  }
  await api.send('PUT', '/session/same', { body: { data: { by: 'anybody' } } });
  const { sessions } = (await (await api.send('GET', '/user/p/sessions', { as: 'p' })).json()) as {
    sessions: unknown[];
  };
  expect(sessions).toEqual([expect.objectContaining({ version: 1, data: {} })]);
});

describe('nobody else', () => {
  const routes: [string, string, object | undefined][] = [
    ['POST', '/user/eve/session', {}],
    ['PUT', '/user/eve/session/hers', { data: {} }],
    ['GET', '/user/eve/sessions', undefined],
    ['GET', '/stream/eve/hers', undefined],
    ['PUT', '/user/eve/session/unknown', { data: {} }],
    ['GET', '/stream/eve/unknown', undefined],
  ];
  beforeAll(async () => {
    await api.send('POST', '/user/eve/session', { as: 'eve', body: { session_id: 'hers' } });
  });

  test.each(routes)('%s %s answers 401 without a token, and says how to get one', async (method, path, body) => {
    const answer = await api.send(method, path, { body });
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer resource_metadata="https:\/\/api\.example\//);
  });

  test.each(routes)(
    '%s %s answers 403 to somebody else, whether the session exists or not',
    async (method, path, body) => {
      const answer = await api.send(method, path, { as: 'mallory', body });
      expect([answer.status, await answer.json()]).toEqual([403, expect.objectContaining({ status: 403 })]);
    },
  );

  test.each(routes)('%s %s answers 403 to a subject that only looks alike', async (method, path, body) => {
    expect((await api.send(method, path, { as: 'Eve', body })).status).toBe(403);
  });
});
