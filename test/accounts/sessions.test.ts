import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { TestDatabase } from '../support/database.ts';
import { createPerson, recordedAbout, startNode, type TestNode, useNodes } from './node.ts';

const CHROME =
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36';

let database: TestDatabase;
let node: TestNode;
let userId: string;
let number = 0;
useNodes((nodes) => {
  ({ database, node } = nodes);
});
beforeEach(async () => {
  userId = (await createPerson(node, { password: undefined })).id;
  node.ended.length = 0;
});

async function start(of = userId): Promise<string> {
  const uid = `session-${++number}`;
  await node.sessions.start({
    uid,
    userId: of,
    amr: ['pwd'],
    userAgent: CHROME,
    address: '192.0.2.7',
    requestId: 'request',
  });
  return uid;
}

const uidsOf = async (id = userId) => (await node.sessions.list(id)).map(({ uid }) => uid);

test('S-159 a session is listed with where, with what and when last', async () => {
  const uid = await start();
  expect(await node.sessions.list(userId)).toEqual([
    {
      uid,
      device: 'Chrome, Windows',
      userAgent: CHROME,
      address: '192.0.2.7',
      amr: ['pwd'],
      createdAt: expect.any(Date),
      lastUsedAt: expect.any(Date),
    },
  ]);
  const [event] = (await recordedAbout(database, userId)).slice(1);
  expect(event).toEqual({ type: 'session.started', details: { amr: ['pwd'], device: 'Chrome, Windows' } });
});

test('which upstream a sign-in came from is kept, until the next one in the same session', async () => {
  const uid = await start();
  expect(await node.sessions.providerOf(uid)).toBeUndefined();
  await node.sessions.start({ uid, userId, amr: ['fed'], provider: 'google' });
  expect(await node.sessions.providerOf(uid)).toBe('google');
  expect(await node.sessions.list(userId)).toMatchObject([{ uid, amr: ['fed'], provider: 'google' }]);
  expect((await recordedAbout(database, userId)).at(-1)).toEqual({
    type: 'session.started',
    details: { amr: ['fed'], provider: 'google' },
  });
  await node.sessions.start({ uid, userId, amr: ['pwd'] });
  expect(await node.sessions.providerOf(uid)).toBeUndefined();
  expect((await node.sessions.list(userId))[0]).not.toHaveProperty('provider');
  expect(await node.sessions.providerOf('unknown')).toBeUndefined();
});

test('a browser that says nothing about itself is listed without a name', async () => {
  await node.sessions.start({ uid: 'nameless', userId, amr: [] });
  expect(await node.sessions.list(userId)).toEqual([
    { uid: 'nameless', amr: [], createdAt: expect.any(Date), lastUsedAt: expect.any(Date) },
  ]);
});

test('a sign-in in the same engine session replaces what was said about it, and whose it is', async () => {
  const uid = await start();
  await node.sessions.start({ uid, userId, amr: ['pwd', 'otp'], address: '192.0.2.8' });
  expect(await node.sessions.list(userId)).toMatchObject([{ uid, amr: ['pwd', 'otp'], address: '192.0.2.8' }]);
  const other = (await createPerson(node, { password: undefined })).id;
  await node.sessions.start({ uid, userId: other, amr: ['pwd'] });
  expect([await uidsOf(), await uidsOf(other)]).toEqual([[], [uid]]);
});

test('S-159 one session is ended with all that hangs on it, and only by its owner', async () => {
  const [uid, kept] = [await start(), await start()];
  const stranger = (await createPerson(node, { password: undefined })).id;
  expect(await node.sessions.end({ userId: stranger, uid }, {})).toBe('not_found');
  expect(await node.sessions.end({ userId: 'x', uid }, {})).toBe('not_found');
  expect(node.ended).toEqual([]);
  expect(await node.sessions.end({ userId, uid }, {})).toBe('done');
  expect(await node.sessions.end({ userId, uid }, {})).toBe('not_found');
  expect(node.ended).toEqual([uid]);
  expect(await uidsOf()).toEqual([kept]);
  expect((await recordedAbout(database, userId)).at(-1)).toEqual({
    type: 'session.ended',
    details: { reason: 'ended_from_list' },
  });
});

test('S-159 all other sessions are ended at once', async () => {
  const uids = [await start(), await start(), await start()];
  expect(await node.sessions.endAll({ userId, except: uids[1] }, {})).toBe(2);
  expect(await uidsOf()).toEqual([uids[1]]);
  expect(await node.sessions.endAll({ userId }, {})).toBe(1);
  expect([...node.ended].sort()).toEqual([...uids].sort());
});

test('a session that the engine has forgotten by now is not listed', async () => {
  const uid = await start();
  await database.pool.query(`UPDATE user_sessions SET last_used_at = now() - interval '2 hours' WHERE uid = $1`, [uid]);
  const shortLived = startNode(database, { sessionLifetime: 3_600 });
  expect(await shortLived.sessions.list(userId)).toEqual([]);
  expect(await uidsOf()).toEqual([uid]);
  await shortLived.close();
});

describe('the last use', () => {
  beforeEach(() => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask', 'Date'] });
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  const lastUseOf = async (uid: string) =>
    (await database.prisma.userSession.findUniqueOrThrow({ where: { uid } })).lastUsedAt.getTime();

  async function startLongAgo(): Promise<string> {
    jest.useRealTimers();
    const uid = await start();
    await database.pool.query(`UPDATE user_sessions SET last_used_at = now() - interval '1 day' WHERE uid = $1`, [uid]);
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask', 'Date'] });
    return uid;
  }

  test('of any number of sessions is one statement a minute', async () => {
    const uids = [await startLongAgo(), await startLongAgo()];
    const before = await Promise.all(uids.map(lastUseOf));
    const touches: unknown[] = [];
    const query = jest.spyOn(database.pool, 'query').mockImplementation(((config: { name?: string }) => {
      if (config.name?.startsWith('sessions.touch')) touches.push(config);
      return Promise.resolve({ rows: [] });
    }) as never);
    for (let use = 0; use < 1_000; use++) for (const uid of uids) node.sessions.touch(uid);
    jest.advanceTimersByTime(59_999);
    expect(touches).toHaveLength(0);
    jest.advanceTimersByTime(1);
    await new Promise((resolve) => setImmediate(resolve));
    expect(touches).toHaveLength(1);
    query.mockRestore();
    expect(await Promise.all(uids.map(lastUseOf))).toEqual(before);
  });

  test('is written when the process ends', async () => {
    const uid = await startLongAgo();
    const before = await lastUseOf(uid);
    const ending = startNode(database);
    ending.sessions.touch(uid);
    ending.sessions.touch('unknown');
    await ending.sessions.close();
    expect(await lastUseOf(uid)).toBeGreaterThan(before + 86_000_000);
    await ending.close();
  });

  test('never goes backwards', async () => {
    const uid = await startLongAgo();
    const other = startNode(database);
    other.sessions.touch(uid);
    jest.advanceTimersByTime(30_000);
    node.sessions.touch(uid);
    await node.sessions.close();
    const latest = await lastUseOf(uid);
    await other.sessions.close();
    expect(await lastUseOf(uid)).toBe(latest);
    await other.close();
  });

  test('of a session that has ended does not bring it back', async () => {
    const uid = await startLongAgo();
    jest.useRealTimers();
    await node.sessions.end({ userId, uid }, {});
    const before = await lastUseOf(uid);
    node.sessions.touch(uid);
    await node.sessions.close();
    expect(await lastUseOf(uid)).toBe(before);
  });
});
