import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createArtifactStore } from '../../src/provider/adapter.ts';
import { endAccountAccess, endSession } from '../../src/provider/revocation.ts';
import { newValue, store, storeGrant, storeRefreshToken } from '../contracts/artifacts.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { createPerson, PASSWORD, recordedAbout, startNode, type TestNode } from './node.ts';

const DEADLOCK = { code: '40P01' };

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

/** Somebody with one session, known to the engine's side and to the list. */
async function signedIn(node: TestNode) {
  const { id } = await createPerson(node);
  const uid = newValue();
  await node.sessions.start({ uid, userId: id, amr: ['pwd'] });
  return { id, uid };
}

describe('a transaction that ends access, chosen by the database as the victim of a deadlock, runs again', () => {
  const endings: [
    string,
    string,
    (node: TestNode, person: { id: string; uid: string }) => Promise<unknown>,
    unknown,
  ][] = [
    ['disabling', 'user.disabled', (node, { id }) => node.accounts.disable(id, {}), 'done'],
    ['deleting', 'user.deleted', (node, { id }) => node.accounts.delete(id, {}), 'done'],
    [
      'choosing a new password',
      'password.changed',
      async ({ oneTimeLinks }, { id }) => {
        const { token } = await oneTimeLinks.createInvitation(id);
        return (await oneTimeLinks.completeSetPassword(token, { password: `${PASSWORD} anew` }, {})).kind;
      },
      'changed',
    ],
    ['ending a session', 'session.ended', ({ sessions }, { id, uid }) => sessions.end({ userId: id, uid }, {}), 'done'],
    ['ending all sessions', 'session.ended', ({ sessions }, { id }) => sessions.endAll({ userId: id }, {}), 1],
  ];

  test.each(endings)('%s', async (_what, event, end, outcome) => {
    let attempts = 0;
    const failOnce = async () => {
      attempts += 1;
      if (attempts === 1) throw Object.assign(new Error('deadlock detected'), DEADLOCK);
      return { sessions: [] };
    };
    const node = startNode(database, {
      endAccess: failOnce,
      endSession: async () => void (await failOnce()),
    });
    const person = await signedIn(node);
    expect(await end(node, person)).toBe(outcome);
    expect(attempts).toBe(2);
    const recorded = (await recordedAbout(database, person.id)).filter(({ type }) => type === event);
    expect(recorded).toHaveLength(1);
    await node.close();
  });

  test('also as PostgreSQL itself says it', async () => {
    // One session cannot wait for itself: the embedded database runs one transaction after the other.
    if (database.kind === 'embedded') return;
    let attempts = 0;
    const node = startNode(database, {
      async endAccess(tx, id) {
        attempts += 1;
        // Time enough for the other side to begin to wait; after it, this transaction is the one that finds the deadlock.
        await tx.$executeRaw`SELECT set_config('deadlock_timeout', '2s', true)`;
        return endAccountAccess(tx, id);
      },
    });
    const person = await signedIn(node);
    const artifacts = artifactStore();
    await store(artifacts, 'Session', { uid: person.uid, accountId: person.id });
    const rival = await database.pool.connect();
    await rival.query('BEGIN');
    await rival.query(`SET LOCAL deadlock_timeout = '60s'`);
    await rival.query(`SET LOCAL lock_timeout = '20s'`);
    await rival.query(`SET LOCAL statement_timeout = '30s'`);
    await rival.query('SELECT 1 FROM protocol_artifacts WHERE uid = $1 FOR UPDATE', [person.uid]);
    const disabling = node.accounts.disable(person.id, {});
    await untilSomebodyWaits();
    await rival.query('SELECT 1 FROM users WHERE id = $1 FOR UPDATE', [person.id]);
    await rival.query('COMMIT');
    rival.release();
    expect(await disabling).toBe('done');
    expect(attempts).toBe(2);
    expect(await artifacts.adapterFor('Session').findByUid(person.uid)).toBeUndefined();
    await node.close();
  }, 60_000);
});

test('Sessions of one person end in the order of their ids, as everywhere: nobody who ends the same ones waits in a circle', async () => {
  // One session cannot wait for another.
  if (database.kind === 'embedded') return;
  const node = startNode(database, { endSession: async () => {} });
  const { id: userId } = await createPerson(node);
  const [first, second, last] = [`a${newValue()}`, `b${newValue()}`, `c${newValue()}`] as const;
  // The other way round in the table, and in its index.
  for (const uid of [last, second, first]) await node.sessions.start({ uid, userId, amr: ['pwd'] });
  const rival = await database.pool.connect();
  await rival.query('BEGIN');
  await rival.query('SELECT FROM user_sessions WHERE uid = $1 FOR NO KEY UPDATE', [first]);
  const ending = node.sessions.endAll({ userId, except: second }, {});
  await untilSomebodyWaits();
  const { rowCount } = await rival.query('SELECT FROM user_sessions WHERE uid = $1 FOR NO KEY UPDATE SKIP LOCKED', [
    last,
  ]);
  await rival.query('COMMIT');
  rival.release();
  expect([rowCount, await ending]).toEqual([1, 2]);
  expect((await node.sessions.list(userId)).map(({ uid }) => uid)).toEqual([second]);
  await node.close();
});

test('S-158 disabling somebody while sign-ins and refreshes are written ends them all, and nobody sees a deadlock', async () => {
  const node = startNode(database, { endAccess: endAccountAccess, endSession });
  const artifacts = artifactStore();
  for (let round = 0; round < 15; round++) {
    const { id, uid } = await signedIn(node);
    const grantId = await storeGrant(artifacts, { accountId: id });
    const session = { uid, accountId: id, authorizations: { client: { grantId, sid: newValue() } } } as never;
    const cookie = await store(artifacts, 'Session', session);
    const refreshToken = await storeRefreshToken(artifacts, grantId);
    const values: [string, string][] = [
      ['Session', cookie],
      ['Grant', grantId],
      ['RefreshToken', refreshToken],
    ];
    const issue = async (model: string) => {
      values.push([model, await store(artifacts, model, { grantId })]);
    };
    const [disabling, ...others] = await Promise.allSettled([
      node.accounts.disable(id, {}),
      node.sessions.end({ userId: id, uid }, {}),
      node.sessions.endAll({ userId: id }, {}),
      issue('AccessToken'),
      artifacts
        .adapterFor('RefreshToken')
        .consume(refreshToken)
        .then(() => issue('RefreshToken')),
      store(artifacts, 'Session', session, { value: cookie }),
      node.sessions.start({ uid, userId: id, amr: ['pwd'] }),
      issue('AuthorizationCode'),
    ]);
    expect(disabling).toEqual({ status: 'fulfilled', value: 'done' });
    // What came too late is refused in many ways, but never by this one.
    const refusals = others.map((other) => (other.status === 'rejected' ? inspect(other.reason, { depth: 6 }) : ''));
    expect(refusals.filter((text) => /40P01|P2034|deadlock/i.test(text))).toEqual([]);
    for (const [model, value] of values) expect(await artifacts.adapterFor(model).find(value)).toBeUndefined();
  }
  await node.close();
}, 120_000);

function artifactStore() {
  return createArtifactStore({ pool: database.pool, refreshSuccessorKey: randomBytes(32), refreshGrace: 10 });
}

async function untilSomebodyWaits(): Promise<void> {
  const waiting = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  while ((await database.pool.query(waiting)).rowCount === 0) await new Promise((resolve) => setTimeout(resolve, 20));
}
