import { randomUUID } from 'node:crypto';
import { beforeAll, expect, test } from '@jest/globals';
import { endSessionsOf } from '../../src/accounts/sessions.store.ts';
import { digestOf } from '../../src/provider/artifact-identity.ts';
import { recordOf } from '../../src/provider/artifact-record.ts';
import { createArtifactRevocations } from '../../src/provider/artifact-revocations.ts';
import { createArtifactWrites } from '../../src/provider/artifact-writes.ts';
import { endSession, endSessions } from '../../src/provider/revocation.ts';
import { newValue, payloadFor, store } from './artifacts.ts';
import { useStores } from './stores.ts';

// With every sign-in and consent a session gets a new id. Whoever ends it ends it under every id.

const stores = useStores();
let write: ReturnType<typeof createArtifactWrites>;
let accountId: string;
let writes: ReturnType<typeof createArtifactWrites>[];
/** Ways to end a session by its uid, at another node than the one that stores it. */
const ways: Record<string, (uid: string) => Promise<unknown>> = {};
beforeAll(async () => {
  const { database } = stores;
  const other = database.kind === 'postgresql' ? await database.connect() : database;
  writes = [database, other].map(({ pool }) => createArtifactWrites({ pool, refreshGrace: 10, isFlushed: true }));
  write = writes[0]!;
  const { prisma, pool } = other;
  const revocations = createArtifactRevocations(pool);
  Object.assign(ways, {
    'sign-out': (uid: string) => revocations.end([{ session: uid }]),
    'the list of sessions': (uid: string) =>
      prisma.$transaction(async (tx) => {
        for (const ended of await endSessionsOf(tx, accountId, { uid })) await endSession(tx, ended);
      }),
    'a key that was revoked': (uid: string) => prisma.$transaction((tx) => endSessions(tx, [uid])),
  });
  accountId = randomUUID();
  await database.pool.query(`INSERT INTO users (id, user_name, user_name_key) VALUES ($1, 'somebody', 'somebody')`, [
    accountId,
  ]);
});

async function storeSession(): Promise<{ uid: string; value: string }> {
  const uid = newValue();
  const value = await store(stores.first, 'Session', { uid, accountId });
  await stores.database.pool.query('INSERT INTO user_sessions (uid, user_id) VALUES ($1, $2)', [uid, accountId]);
  return { uid, value };
}

/** As a consent does it. Answers the new id, and whether it was stored. */
async function rename({ uid, value }: { uid: string; value: string }) {
  const next = newValue();
  const record = recordOf('Session', next, payloadFor('Session', next, { uid, accountId }), 600);
  return { next, outcome: await write({ save: [record], end: digestOf('Session', value) }) };
}

const isAlive = async (uid: string) => (await stores.first.adapterFor('Session').findByUid(uid)) !== undefined;

test('A session goes on under a new id, from two tabs in the same moment too', async () => {
  const session = await storeSession();
  const outcomes = (await Promise.all([rename(session), rename(session)])).map(({ outcome }) => outcome);
  expect(outcomes).toEqual(['done', 'done']);
  expect(await isAlive(session.uid)).toBe(true);
});

test.each(['sign-out', 'the list of sessions', 'a key that was revoked'])(
  'S-159 A session that was ended by %s does not live on under a new id',
  async (way) => {
    const session = await storeSession();
    await ways[way]!(session.uid);
    expect((await rename(session)).outcome).toBe('refused');
    expect(await isAlive(session.uid)).toBe(false);
  },
);

test.each(['sign-out', 'the list of sessions', 'a key that was revoked'])(
  'S-159 A session that is ended by %s in the moment in which it gets a new id is ended under both',
  async (way) => {
    const lived: string[] = [];
    for (let round = 0; round < 60; round++) {
      const session = await storeSession();
      await Promise.all(
        round % 2
          ? [ways[way]!(session.uid), rename(session)]
          : [
              rename(session),
              new Promise((resolve) => setTimeout(resolve, round / 20)).then(() => ways[way]!(session.uid)),
            ],
      );
      if (await isAlive(session.uid)) lived.push(session.uid);
    }
    expect(lived).toEqual([]);
  },
);

test('Sign-ins to one session and consents in it, on two nodes in the same moment, do not wait for each other in a circle', async () => {
  for (let round = 0; round < 40; round++) {
    const { uid, value } = await storeSession();
    const replaces = (node: number, isSignIn: boolean) => {
      const next = newValue();
      const record = recordOf('Session', next, payloadFor('Session', next, { uid, accountId }), 600);
      const start = isSignIn && { start: { uid, user_id: accountId, amr: [] } };
      return writes[node]!({ save: [record], ...start, end: digestOf('Session', value) });
    };
    // Otherwise one of them would be given up, as unavailable.
    const outcomes = await Promise.all([replaces(0, true), replaces(1, round % 2 === 0)]);
    expect(outcomes).toEqual(['done', 'done']);
  }
});
