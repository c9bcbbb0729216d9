import { randomUUID } from 'node:crypto';
import { beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { AuditRow } from '../../src/audit/audit.ts';
import { digestOf } from '../../src/provider/artifact-identity.ts';
import { type ArtifactRevocations, createArtifactRevocations } from '../../src/provider/artifact-revocations.ts';
import { newValue, store, storeCode, storeGrant, storeRefreshToken } from './artifacts.ts';
import { useStores } from './stores.ts';

// What ends and the record of it are one statement: both happen, or neither, and of many callers one does it.

const stores = useStores();
let first: ArtifactRevocations;
let second: ArtifactRevocations;
let accountId: string;
beforeAll(async () => {
  const { database } = stores;
  const other = database.kind === 'postgresql' ? await database.connect() : database;
  first = createArtifactRevocations(database.pool);
  second = createArtifactRevocations(other.pool);
});
beforeEach(async () => {
  accountId = randomUUID();
  const { pool } = stores.database;
  await pool.query(`INSERT INTO users (id, user_name, user_name_key) VALUES ($1, $2, $2)`, [
    accountId,
    accountId.slice(0, 12),
  ]);
});

let request = 0;

const rowOf = (type: string, more: Partial<AuditRow> = {}): AuditRow => {
  request += 1;
  return { id: randomUUID(), age: 0, type, request_id: `request-${request}`, details: {}, ...more };
};

/** The engine's session and the entry in its person's list. */
async function storeSession(): Promise<{ uid: string; value: string }> {
  const uid = newValue();
  const value = await store(stores.first, 'Session', { uid, accountId });
  await stores.database.pool.query('INSERT INTO user_sessions (uid, user_id) VALUES ($1, $2)', [uid, accountId]);
  return { uid, value };
}

const isListed = async (uid: string) =>
  (await stores.database.prisma.userSession.findUniqueOrThrow({ where: { uid } })).endedAt === null;

const isAlive = async (model: string, value: string) =>
  (await stores.first.adapterFor(model).find(value)) !== undefined;

async function recordsOf(...records: AuditRow[]) {
  return stores.database.prisma.auditEvent.findMany({
    where: { id: { in: records.map(({ id }) => id) } },
    orderBy: { id: 'asc' },
  });
}

/** While it lasts no record of this request can be stored. */
async function whileUnrecordable(records: AuditRow[], act: () => Promise<unknown>): Promise<void> {
  const { pool } = stores.database;
  const names = records.map(({ request_id }) => `'${request_id}'`).join(', ');
  await pool.query(
    `ALTER TABLE audit_events ADD CONSTRAINT none_of_this CHECK (request_id NOT IN (${names})) NOT VALID`,
  );
  try {
    await act();
  } finally {
    await pool.query('ALTER TABLE audit_events DROP CONSTRAINT none_of_this');
  }
}

describe('S-175 a session that ends', () => {
  test('leaves the list of its person and is recorded, as theirs, in one statement', async () => {
    const { uid, value } = await storeSession();
    const record = rowOf('session.ended', { session_id: uid });
    expect(await first.end([{ session: uid, records: [record] }])).toEqual([{ userId: accountId, clientId: null }]);
    expect([await isAlive('Session', value), await isListed(uid)]).toEqual([false, false]);
    expect(await recordsOf(record)).toMatchObject([
      { type: 'session.ended', userId: accountId, sessionId: uid, requestId: record.request_id },
    ]);
  });

  test('ends under whatever id it has by now', async () => {
    const { uid } = await storeSession();
    const later = await store(stores.first, 'Session', { uid, accountId });
    await first.end([{ session: uid, records: [rowOf('session.ended')] }]);
    expect(await isAlive('Session', later)).toBe(false);
  });

  test('is recorded where its list has no entry of it, and not where nobody was signed in', async () => {
    const [uid, nobodys] = [newValue(), newValue()];
    await store(stores.first, 'Session', { uid, accountId });
    const value = await store(stores.first, 'Session', { uid: nobodys });
    const [record, none] = [rowOf('session.ended'), rowOf('session.ended')];
    const outcomes = await first.end([
      { session: uid, records: [record] },
      { session: nobodys, records: [none] },
    ]);
    expect(outcomes).toEqual([{ userId: accountId, clientId: null }, undefined]);
    expect(await isAlive('Session', value)).toBe(false);
    expect(await recordsOf(record, none)).toMatchObject([{ id: record.id, userId: accountId }]);
  });

  test('stays, with all that hangs on it, when it cannot be recorded', async () => {
    const { uid, value } = await storeSession();
    const grantId = await storeGrant(stores.first, { accountId });
    const token = await storeRefreshToken(stores.first, grantId);
    const grant = digestOf('Grant', grantId);
    const records = [rowOf('session.ended'), rowOf('grant.revoked')];
    await whileUnrecordable(records.slice(1), async () => {
      const ends = [
        { session: uid, records: records.slice(0, 1) },
        { grant, members: { grantId: grant, kind: null }, records: records.slice(1) },
      ];
      await expect(first.end(ends)).rejects.toMatchObject({ code: '23514' });
    });
    expect([await isAlive('Session', value), await isListed(uid)]).toEqual([true, true]);
    expect(await isAlive('Grant', grantId)).toBe(true);
    expect(await isAlive('RefreshToken', token)).toBe(true);
    expect(await recordsOf(...records)).toEqual([]);
  });

  test('by two callers on two nodes at once is recorded once, by the one who is told so', async () => {
    for (let round = 0; round < 20; round++) {
      const { uid } = await storeSession();
      const records = Array.from({ length: 4 }, () => rowOf('session.ended'));
      const outcomes = await Promise.all(
        records.map((record, caller) => (caller % 2 ? second : first).end([{ session: uid, records: [record] }])),
      );
      const winner = outcomes.findIndex(([ended]) => ended !== undefined);
      expect((await recordsOf(...records)).map(({ id }) => id)).toEqual([records[winner]!.id]);
    }
  });
});

describe('S-175 a grant that ends', () => {
  const family = (grantId: string, records: AuditRow[]) => {
    const grant = digestOf('Grant', grantId);
    return { grant, members: { grantId: grant, kind: null }, records };
  };

  test('is recorded as of the person and the client that it was given to, whatever the caller knew', async () => {
    const grantId = await storeGrant(stores.first, { accountId, clientId: 'reader' });
    const [code, token] = [await storeCode(stores.first, grantId), await storeRefreshToken(stores.first, grantId)];
    const records = [rowOf('token.revoked', { client_id: 'other' }), rowOf('grant.revoked')];
    expect(await first.end([family(grantId, records)])).toEqual([{ userId: accountId, clientId: 'reader' }]);
    expect(await isAlive('AuthorizationCode', code)).toBe(false);
    expect(await isAlive('RefreshToken', token)).toBe(false);
    const found = await recordsOf(...records);
    expect(found.map(({ type }) => type).sort()).toEqual(['grant.revoked', 'token.revoked']);
    for (const one of found) expect(one).toMatchObject({ userId: accountId, clientId: 'reader' });
  });

  test('stays when it cannot be recorded, and nobody else’s in the same statement does', async () => {
    const [kept, ended] = [await storeGrant(stores.first), await storeGrant(stores.first)];
    const [impossible, possible] = [rowOf('grant.revoked'), rowOf('grant.revoked')];
    await whileUnrecordable([impossible], async () => {
      const outcomes = await Promise.allSettled([
        first.end([family(kept, [impossible])]),
        first.end([family(ended, [possible])]),
      ]);
      expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
    });
    expect([await isAlive('Grant', kept), await isAlive('Grant', ended)]).toEqual([true, false]);
    expect(await recordsOf(impossible, possible)).toMatchObject([{ id: possible.id }]);
  });

  test('by several callers on two nodes at once is recorded once', async () => {
    for (let round = 0; round < 20; round++) {
      const grantId = await storeGrant(stores.first, { accountId });
      const records = Array.from({ length: 6 }, () => rowOf('code.replayed'));
      const outcomes = await Promise.all(
        records.map((record, caller) => (caller % 2 ? second : first).end([family(grantId, [record])])),
      );
      expect(outcomes.filter(([ended]) => ended !== undefined)).toHaveLength(1);
      expect(await recordsOf(...records)).toHaveLength(1);
    }
  });
});

describe('S-175 a token that ends', () => {
  test('takes with it what is under its grant, is recorded, and the grant stays', async () => {
    const grantId = await storeGrant(stores.first, { accountId });
    const [token, refreshToken] = [
      await store(stores.first, 'AccessToken', { grantId }),
      await storeRefreshToken(stores.first, grantId),
    ];
    const record = rowOf('token.revoked', { client_id: 'client', user_id: accountId });
    const end = {
      token: digestOf('AccessToken', token),
      members: { grantId: digestOf('Grant', grantId), kind: null },
      records: [record],
    };
    expect(await first.end([end])).toEqual([{ userId: null, clientId: null }]);
    expect(await isAlive('AccessToken', token)).toBe(false);
    expect(await isAlive('RefreshToken', refreshToken)).toBe(false);
    expect(await isAlive('Grant', grantId)).toBe(true);
    expect(await recordsOf(record)).toMatchObject([{ clientId: 'client', userId: accountId }]);
  });

  test('by several callers on two nodes at once is recorded once', async () => {
    for (let round = 0; round < 20; round++) {
      const grantId = await storeGrant(stores.first);
      const value = await store(stores.first, 'AccessToken', { grantId });
      const records = Array.from({ length: 4 }, () => rowOf('token.revoked'));
      await Promise.all(
        records.map((record, caller) =>
          (caller % 2 ? second : first).end([
            {
              token: digestOf('AccessToken', value),
              members: { grantId: digestOf('Grant', grantId), kind: null },
              records: [record],
            },
          ]),
        ),
      );
      expect(await recordsOf(...records)).toHaveLength(1);
    }
  });

  test('at the same time as others of its grant, on two nodes, waits for none of them in a circle', async () => {
    for (let round = 0; round < 30; round++) {
      const grantId = await storeGrant(stores.first, { accountId });
      const grant = digestOf('Grant', grantId);
      const members = { grantId: grant, kind: null };
      const values = await Promise.all(
        Array.from({ length: 8 }, () => store(stores.first, 'AccessToken', { grantId })),
      );
      const revoke = (node: ArtifactRevocations, value: string) =>
        node.end([{ token: digestOf('AccessToken', value), members, records: [rowOf('token.revoked')] }]);
      // Otherwise one of them would be given up, as unavailable.
      await Promise.all([
        ...values.map((value, index) => revoke(index % 2 ? first : second, value)),
        ...(round % 2 ? [second.end([{ grant, members, records: [rowOf('grant.revoked')] }])] : []),
      ]);
      for (const value of values) expect(await isAlive('AccessToken', value)).toBe(false);
    }
  });

  test('stays when it cannot be recorded', async () => {
    const value = await store(stores.first, 'ClientCredentials', { clientId: 'client' });
    const record = rowOf('token.revoked');
    await whileUnrecordable([record], async () => {
      const end = { token: digestOf('ClientCredentials', value), records: [record] };
      await expect(first.end([end])).rejects.toMatchObject({ code: '23514' });
    });
    expect(await isAlive('ClientCredentials', value)).toBe(true);
  });
});

test('many who end the same things in different order, among those who store under them, all come to an end', async () => {
  const grants = await Promise.all(Array.from({ length: 12 }, () => storeGrant(stores.first, { accountId })));
  const sessions = await Promise.all(Array.from({ length: 4 }, () => storeSession()));
  const endAll = (node: ArtifactRevocations, order: string[]) =>
    node.end([
      ...(node === first ? sessions : sessions.toReversed()).map(({ uid }) => ({
        session: uid,
        records: [rowOf('session.ended')],
      })),
      ...order.map((grantId) => {
        const grant = digestOf('Grant', grantId);
        return { grant, members: { grantId: grant, kind: null }, records: [rowOf('grant.revoked')] };
      }),
    ]);
  const ended = await Promise.all([
    endAll(first, grants),
    endAll(second, [...grants].reverse()),
    ...grants.flatMap((grantId, index) => [
      storeRefreshToken(index % 2 ? stores.first : stores.second, grantId).catch(() => undefined),
      endAll(index % 2 ? first : second, grants.slice(index)),
    ]),
  ]);
  const won = ended.flatMap((outcome) => (Array.isArray(outcome) ? outcome : [])).filter((one) => one !== undefined);
  expect(won).toHaveLength(grants.length + sessions.length);
  for (const grantId of grants) expect(await isAlive('Grant', grantId)).toBe(false);
});
