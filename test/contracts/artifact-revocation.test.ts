import { describe, expect, test } from '@jest/globals';
import { retryConflicts } from '../../src/platform/database/statement-batch.ts';
import {
  endAccountAccess,
  endClientAccess,
  endSession,
  endSessions,
  sessionsUsedSince,
  type Transaction,
} from '../../src/provider/revocation.ts';
import { newValue, now, store, storeCode, storeGrant, storeRefreshToken } from './artifacts.ts';
import { useStores } from './stores.ts';

const stores = useStores();

function inTransaction<Result>(work: (tx: Transaction) => Promise<Result>): Promise<Result> {
  return retryConflicts(() => stores.database.prisma.$transaction(work));
}

/** A signed-in person at one client: session, grant, code and tokens. */
async function signIn({ accountId = newValue(), clientId = 'client', persistsLogout = false, iat = now() } = {}) {
  const grantId = await storeGrant(stores.first, { accountId, clientId });
  const uid = newValue();
  const session = await store(stores.first, 'Session', {
    uid,
    accountId,
    iat,
    authorizations: { [clientId]: { grantId, sid: newValue(), persistsLogout } as never },
  });
  const code = await storeCode(stores.first, grantId);
  const refreshToken = await storeRefreshToken(stores.first, grantId);
  const accessToken = await store(stores.first, 'AccessToken', { grantId });
  return { accountId, clientId, grantId, uid, session, code, refreshToken, accessToken };
}

type SignIn = Awaited<ReturnType<typeof signIn>>;

async function aliveOf({ session, grantId, code, refreshToken, accessToken }: SignIn): Promise<string[]> {
  const values = Object.entries({
    Session: session,
    Grant: grantId,
    AuthorizationCode: code,
    RefreshToken: refreshToken,
    AccessToken: accessToken,
  });
  const found = await Promise.all(values.map(([model, value]) => stores.second.adapterFor(model).find(value)));
  return values.flatMap(([model], i) => (found[i] ? [model] : []));
}

const EVERYTHING = ['Session', 'Grant', 'AuthorizationCode', 'RefreshToken', 'AccessToken'];

describe('S-158 ending an account’s access', () => {
  test('ends its sessions, grants, codes and tokens, names the sessions, and touches nobody else', async () => {
    const accountId = newValue();
    const [first, second, other] = [
      await signIn({ accountId }),
      await signIn({ accountId, clientId: 'two' }),
      await signIn(),
    ];
    const { sessions } = await inTransaction((tx) => endAccountAccess(tx, accountId));
    expect(sessions.sort()).toEqual([first.uid, second.uid].sort());
    expect(await aliveOf(first)).toEqual([]);
    expect(await aliveOf(second)).toEqual([]);
    expect(await aliveOf(other)).toEqual(EVERYTHING);
    expect(await inTransaction((tx) => endAccountAccess(tx, accountId))).toEqual({ sessions: [] });
  });

  test.each([
    ['a finished sign-in', (accountId: string) => ({ result: { login: { accountId } } })],
    ['a sign-in under way to consent', (accountId: string) => ({ lastSubmission: { login: { accountId } } })],
    ['a question to somebody signed in', (accountId: string) => ({ session: { accountId, uid: newValue() } })],
    [
      'a sign-in as somebody else',
      (accountId: string) => ({ session: { accountId: newValue() }, result: { login: { accountId } } }),
    ],
  ])('ends %s, for good, and no other one', async (_, contentFor) => {
    const accountId = newValue();
    const value = await store(stores.first, 'Interaction', contentFor(accountId));
    const others = await store(stores.first, 'Interaction', contentFor(newValue()));
    const unanswered = await store(stores.first, 'Interaction');
    expect(await inTransaction((tx) => endAccountAccess(tx, accountId))).toEqual({ sessions: [] });
    const adapter = stores.second.adapterFor('Interaction');
    expect(await adapter.find(value)).toBeUndefined();
    // A request that still holds it can neither continue nor answer it.
    await expect(adapter.destroy(value)).rejects.toMatchObject({ code: 'interaction_expired' });
    await expect(store(stores.second, 'Interaction', contentFor(accountId), { value })).rejects.toMatchObject({
      code: 'interaction_expired',
    });
    expect(await adapter.find(value)).toBeUndefined();
    expect(await adapter.find(others)).toBeDefined();
    expect(await adapter.find(unanswered)).toBeDefined();
  });

  test('happens with the change that it belongs to, or not at all', async () => {
    const person = await signIn();
    await expect(
      inTransaction(async (tx) => {
        await endAccountAccess(tx, person.accountId);
        throw new Error('the audit row could not be written');
      }),
    ).rejects.toThrow(/audit/);
    expect(await aliveOf(person)).toEqual(EVERYTHING);
  });

  test('cannot be undone by a request that was under way with the session', async () => {
    const person = await signIn();
    await inTransaction((tx) => endAccountAccess(tx, person.accountId));
    await store(stores.first, 'Session', { uid: person.uid, accountId: person.accountId }, { value: person.session });
    expect(await aliveOf(person)).toEqual([]);
    expect(await stores.first.adapterFor('Session').findByUid(person.uid)).toBeUndefined();
  });

  test('S-036 wins against refreshing, redeeming and issuing at the same moment on two nodes', async () => {
    for (let round = 0; round < 40; round++) {
      const person = await signIn();
      const { grantId, refreshToken, code } = person;
      const issued: [string, string][] = [];
      const issue = async (node: typeof stores.first, model: string) => {
        issued.push([model, await store(node, model, { grantId })]);
      };
      await Promise.allSettled([
        stores.first
          .adapterFor('RefreshToken')
          .consume(refreshToken)
          .then(() => issue(stores.first, 'RefreshToken')),
        stores.second
          .adapterFor('AuthorizationCode')
          .consume(code)
          .then(() => issue(stores.second, 'AccessToken')),
        issue(stores.second, 'AccessToken'),
        inTransaction((tx) => endAccountAccess(tx, person.accountId)),
        issue(stores.first, 'RefreshToken'),
      ]);
      expect(await aliveOf(person)).toEqual([]);
      for (const [model, value] of issued) expect(await stores.first.adapterFor(model).find(value)).toBeUndefined();
    }
  }, 120_000);

  test('of many accounts at once, among their own requests, ends without a deadlock that anybody sees', async () => {
    const people = await Promise.all(Array.from({ length: 20 }, () => signIn()));
    const outcomes = await Promise.allSettled([
      ...people.map(({ accountId }) => inTransaction((tx) => endAccountAccess(tx, accountId))),
      ...people.map(({ accountId }) => inTransaction((tx) => endAccountAccess(tx, accountId))),
      inTransaction((tx) => endClientAccess(tx, 'client')),
    ]);
    expect(outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))).toEqual([]);
    for (const person of people) expect(await aliveOf(person)).toEqual([]);
  }, 60_000);
});

test('S-047 ending a client’s access ends what it was granted and its own tokens, and keeps the people signed in', async () => {
  const clientId = newValue();
  const [person, other] = [await signIn({ clientId }), await signIn()];
  const own = await store(stores.first, 'ClientCredentials', { clientId });
  const foreign = await store(stores.first, 'ClientCredentials', { clientId: 'another' });
  await inTransaction((tx) => endClientAccess(tx, clientId));
  expect(await aliveOf(person)).toEqual(['Session']);
  expect(await aliveOf(other)).toEqual(EVERYTHING);
  expect(await stores.first.adapterFor('ClientCredentials').find(own)).toBeUndefined();
  expect(await stores.first.adapterFor('ClientCredentials').find(foreign)).toBeDefined();
});

describe('S-157 ending a session', () => {
  test('ends it and what was granted in it, and no other session of the person', async () => {
    const accountId = newValue();
    const [here, elsewhere] = [await signIn({ accountId }), await signIn({ accountId })];
    await inTransaction((tx) => endSession(tx, here.uid));
    expect(await aliveOf(here)).toEqual([]);
    expect(await aliveOf(elsewhere)).toEqual(EVERYTHING);
  });

  test('keeps what was granted to outlast it, except the tokens that are bound to it', async () => {
    const person = await signIn({ persistsLogout: true });
    await inTransaction((tx) => endSession(tx, person.uid));
    expect(await aliveOf(person)).toEqual(EVERYTHING.slice(1));
    expect(await stores.first.adapterFor('Session').findByUid(person.uid)).toBeUndefined();
  });

  test('that is not there is nothing', async () => {
    await inTransaction((tx) => endSession(tx, newValue()));
  });
});

describe('ending the sessions that were used since a key began to sign', () => {
  const DAY = 86_400;
  const yesterday = () => new Date((now() - DAY) * 1000);
  const endSince = () => inTransaction(async (tx) => endSessions(tx, await sessionsUsedSince(tx, yesterday())));

  test('ends them with their grants and tokens, says how many, and no others', async () => {
    await endSince();
    const [recent, older] = [await signIn(), await signIn({ iat: now() - 2 * DAY })];
    expect(await endSince()).toBe(1);
    expect(await aliveOf(recent)).toEqual([]);
    expect(await aliveOf(older)).toEqual(EVERYTHING);
    expect(await endSince()).toBe(0);
  });

  test('counts as use what a clock that is a minute behind wrote down', async () => {
    await endSince();
    const [inside, outside] = [await signIn({ iat: now() - DAY - 50 }), await signIn({ iat: now() - DAY - 90 })];
    expect(await endSince()).toBe(1);
    expect(await aliveOf(inside)).toEqual([]);
    expect(await aliveOf(outside)).toEqual(EVERYTHING);
  });

  test('counts as use a token that lives and dies with the session, and none that outlives it', async () => {
    await endSince();
    const [bound, free] = [await signIn({ iat: now() - 2 * DAY }), await signIn({ iat: now() - 2 * DAY })];
    for (const [{ grantId, uid }, expiresWithSession] of [
      [bound, true],
      [free, false],
    ] as const) {
      await store(stores.first, 'RefreshToken', { grantId, sessionUid: uid, expiresWithSession });
    }
    expect(await endSince()).toBe(1);
    expect(await aliveOf(bound)).toEqual([]);
    expect(await aliveOf(free)).toEqual(EVERYTHING);
  });

  test('keeps what was granted to outlast the session', async () => {
    await endSince();
    const person = await signIn({ persistsLogout: true });
    expect(await endSince()).toBe(1);
    expect(await aliveOf(person)).toEqual(EVERYTHING.slice(1));
  });
});
