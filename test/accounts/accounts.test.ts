import { describe, expect, test } from '@jest/globals';
import { claimsOf } from '../../src/accounts/claims.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { createPerson, PASSWORD, recordedAbout, startNode, type TestNode, useNodes } from './node.ts';

let database: TestDatabase;
let node: TestNode;
let otherNode: TestNode;
useNodes((nodes) => {
  ({ database, node, otherNode } = nodes);
});

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe('creating an account', () => {
  test('keeps what was given and finds it by id, name and address in any spelling', async () => {
    const outcome = await node.accounts.create(
      {
        userName: 'Ada',
        email: 'Ada@Example.com',
        emailVerified: true,
        name: ' Ada Lovelace ',
        givenName: 'Ada',
        familyName: 'Lovelace',
        picture: 'https://example.com/ada.png',
        locale: 'en-GB',
        zoneinfo: 'Europe/London',
      },
      { actor: 'cli' },
    );
    if (outcome.kind !== 'created') throw new Error('not created');
    const { account } = outcome;
    expect(account).toEqual({
      id: expect.stringMatching(UUID_V7),
      userName: 'Ada',
      name: 'Ada Lovelace',
      givenName: 'Ada',
      familyName: 'Lovelace',
      picture: 'https://example.com/ada.png',
      locale: 'en-GB',
      zoneinfo: 'Europe/London',
      email: { address: 'Ada@example.com', verified: true },
      isAdministrator: false,
      state: 'active',
      updatedAt: expect.any(Date),
    });
    expect(await node.accounts.find(account.id)).toEqual({ ...account, accessGeneration: 0 });
    for (const login of ['ada', 'ADA', ' ada ', 'ada@example.com', 'ADA@EXAMPLE.COM']) {
      expect(await node.accounts.findByLogin(login)).toEqual(account);
    }
    const rows = await database.prisma.auditEvent.findMany({ where: { userId: account.id } });
    expect(rows).toEqual([expect.objectContaining({ type: 'user.created', actor: 'cli' })]);
  });

  test('needs only an address', async () => {
    const outcome = await node.accounts.create({ email: 'only@example.com' }, {});
    expect(outcome).toMatchObject({
      kind: 'created',
      account: { email: { address: 'only@example.com', verified: false } },
    });
  });

  test.each([
    ['neither name nor address', {}, { field: 'userName', reason: 'missing' }],
    ['an empty name and address', { userName: ' ', email: '' }, { field: 'userName', reason: 'missing' }],
    ['a bad user name', { userName: 'a b' }, { field: 'userName', reason: 'invalid' }],
    ['a bad address', { userName: 'good', email: 'bad' }, { field: 'email', reason: 'invalid' }],
    [
      'a name with a direction mark',
      { userName: 'good', name: 'A\u202eda' },
      { field: 'name', reason: 'invisible-characters' },
    ],
    [
      'a name with a line break',
      { userName: 'good', name: 'A\nda' },
      { field: 'name', reason: 'invisible-characters' },
    ],
    ['a long name', { userName: 'good', name: 'a'.repeat(101) }, { field: 'name', reason: 'too-long' }],
    [
      'a picture that is script',
      { userName: 'good', picture: 'javascript:alert(1)' },
      { field: 'picture', reason: 'invalid' },
    ],
    [
      'a picture without encryption',
      { userName: 'good', picture: 'http://a.example/' },
      { field: 'picture', reason: 'invalid' },
    ],
    ['no language', { userName: 'good', locale: 'en_GB!' }, { field: 'locale', reason: 'invalid' }],
    ['no time zone', { userName: 'good', zoneinfo: 'Mars/Olympus' }, { field: 'zoneinfo', reason: 'invalid' }],
    [
      'a short password',
      { userName: 'good', password: 'short' },
      { field: 'password', reason: 'too-short', count: 15 },
    ],
    [
      'its own name as password',
      { userName: 'good.enough.name', password: 'Good.Enough.Name' },
      { field: 'password', reason: 'personal' },
    ],
  ])('is refused with %s, in words', async (_case, input, problem) => {
    const outcome = await node.accounts.create(input, {});
    expect(outcome).toEqual({ kind: 'refused', message: expect.stringMatching(/^(must|is) /), ...problem });
    expect(await node.accounts.findByLogin('good')).toBeUndefined();
  });

  test.each([
    ['the name in another case', { userName: 'TAKEN' }, 'userName'],
    ['the name in full width', { userName: 'ｔａｋｅｎ' }, 'userName'],
    ['the address in another case', { userName: 'free', email: 'Taken@Example.COM' }, 'email'],
  ])('is a conflict with %s, and leaves nothing behind', async (_case, input, field) => {
    await node.accounts.create({ userName: 'taken', email: 'taken@example.com' }, {});
    expect(await node.accounts.create(input, {})).toEqual({ kind: 'conflict', field });
    expect(await node.accounts.findByLogin('free')).toBeUndefined();
  });

  test('of the same name at the same moment on two nodes succeeds once', async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 10 }, (_, number) =>
        (number % 2 ? node : otherNode).accounts.create({ userName: 'racer', email: `racer${number}@example.com` }, {}),
      ),
    );
    expect(outcomes.filter(({ kind }) => kind === 'created')).toHaveLength(1);
    expect(outcomes.filter(({ kind }) => kind === 'conflict')).toHaveLength(9);
    expect(await database.prisma.emailAddress.count({ where: { address: { startsWith: 'racer' } } })).toBe(1);
  });
});

test('ids and logins that cannot be are nobody', async () => {
  for (const id of ['', 'x', "'; DROP TABLE users", '00000000-0000-0000-0000-00000000000G', '\0']) {
    expect(await node.accounts.find(id)).toBeUndefined();
    expect(await node.accounts.findByLogin(id)).toBeUndefined();
    for (const verb of ['disable', 'enable', 'delete'] as const)
      expect(await node.accounts[verb](id, {})).toBe('not_found');
  }
});

test('accounts found in one moment are each their own', async () => {
  const people = [await createPerson(node), await createPerson(node)];
  const ids = [people[1]!.id, people[0]!.id, people[1]!.id, '01890a5d-ac96-774b-bcce-b302099a8057'];
  const found = await Promise.all(ids.map((id) => node.accounts.find(id)));
  expect(found.map((account) => account?.id)).toEqual([...ids.slice(0, 3), undefined]);
});

test('people are listed oldest first, in pages, without the deleted', async () => {
  const own = await openTestDatabase();
  const listing = startNode(own);
  const ids: string[] = [];
  for (let person = 0; person < 5; person++) ids.push((await createPerson(listing, { password: undefined })).id);
  await listing.accounts.delete(ids[2]!, {});
  const first = await listing.accounts.list({ limit: 2 });
  expect(first.accounts.map(({ id }) => id)).toEqual(ids.slice(0, 2));
  const second = await listing.accounts.list({ after: first.next, limit: 2 });
  expect(second.accounts.map(({ id }) => id)).toEqual(ids.slice(3));
  expect(second.next).toBeUndefined();
  await expect(listing.accounts.list({ after: 'x', limit: 2 })).rejects.toMatchObject({ code: 'bad_request' });
  await listing.close();
  await own.close();
});

describe('S-158 disabling an account', () => {
  test('ends access, sessions and the state in one transaction, and tells the person', async () => {
    const { id, email } = await createPerson(node);
    await node.sessions.start({ uid: `session-of-${id}`, userId: id, amr: ['pwd'] });
    expect(await node.accounts.disable(id, { actor: 'cli' })).toBe('done');
    expect(await node.accounts.disable(id, { actor: 'cli' })).toBe('unchanged');
    expect(await node.accounts.find(id)).toMatchObject({ state: 'disabled' });
    expect(await otherNode.accounts.find(id)).toMatchObject({ state: 'disabled' });
    expect(node.ended).toContain(id);
    expect(await node.sessions.list(id)).toEqual([]);
    expect((await node.mailbox.list())[0]).toMatchObject({
      recipient: email,
      subject: 'Your Daemun account was disabled',
    });
    expect((await recordedAbout(database, id)).at(-1)).toEqual({
      type: 'user.disabled',
      details: { sessionsEnded: 1 },
    });
    node.ended.length = 0;
    expect(await node.accounts.enable(id, {})).toBe('done');
    expect(await node.accounts.enable(id, {})).toBe('unchanged');
    expect(node.ended).toEqual([id]);
    expect(await node.accounts.find(id)).toMatchObject({ state: 'active' });
  });

  test('takes back an invitation, also when the person is enabled again', async () => {
    const { id } = await createPerson(node);
    const { token } = await node.oneTimeLinks.createInvitation(id);
    await node.accounts.disable(id, {});
    await node.accounts.enable(id, {});
    expect(await node.oneTimeLinks.find(token)).toBeUndefined();
  });

  test('leaves everything as it was when access cannot be ended', async () => {
    const { id } = await createPerson(node);
    const failing = startNode(database, { endAccess: () => Promise.reject(new Error('the store failed')) });
    await expect(failing.accounts.disable(id, {})).rejects.toThrow('the store failed');
    expect(await node.accounts.find(id)).toMatchObject({ state: 'active' });
    expect((await recordedAbout(database, id)).map(({ type }) => type)).toEqual(['user.created']);
    await failing.close();
  });

  test('on two nodes at once happens once', async () => {
    const { id } = await createPerson(node);
    const outcomes = await Promise.all([node, otherNode].map(({ accounts }) => accounts.disable(id, {})));
    expect(outcomes.sort()).toEqual(['done', 'unchanged']);
  });
});

describe('the last administrator', () => {
  const administrators = () => database.prisma.user.count({ where: { isAdministrator: true, state: 'active' } });

  test('cannot be disabled or deleted, also when two nodes each remove the other one', async () => {
    for (let round = 0; round < 10; round++) {
      const people = [
        await createPerson(node, { isAdministrator: true }),
        await createPerson(node, { isAdministrator: true }),
      ];
      for (const { id } of await database.prisma.user.findMany({ where: { isAdministrator: true } })) {
        if (!people.some((person) => person.id === id)) await node.accounts.disable(id, {});
      }
      expect(await administrators()).toBe(2);
      const verb = round % 2 ? 'disable' : 'delete';
      const outcomes = await Promise.all([
        node.accounts[verb](people[0]!.id, {}),
        otherNode.accounts[verb](people[1]!.id, {}),
      ]);
      expect(outcomes.sort()).toEqual(['done', 'last_administrator']);
      expect(await administrators()).toBe(1);
    }
  });

  test('is recorded when made', async () => {
    const { id } = await createPerson(node, { isAdministrator: true });
    expect(await recordedAbout(database, id)).toEqual([
      { type: 'user.created', details: { isAdministrator: true } },
      { type: 'administrator.created', details: { how: 'administration' } },
    ]);
  });
});

describe('deleting an account', () => {
  test('S-084 forgets everything but the id, which nobody gets again', async () => {
    const { id, userName, email } = await createPerson(node, { name: 'Somebody', locale: 'ko' });
    await node.signIn.withPassword({ login: email, password: PASSWORD }, {});
    await node.signIn.withPassword({ login: email, password: 'wrong' }, {});
    await node.sessions.start({ uid: `deleted-${id}`, userId: id, amr: [] });
    expect(await node.accounts.delete(id, {})).toBe('done');
    expect(await node.accounts.delete(id, {})).toBe('not_found');
    expect(await node.accounts.find(id)).toEqual({
      id,
      isAdministrator: false,
      state: 'deleted',
      accessGeneration: 0,
      updatedAt: expect.any(Date),
    });
    const where = { where: { userId: id } };
    const { prisma } = database;
    const rows = [
      prisma.emailAddress,
      prisma.passwordCredential,
      prisma.knownDevice,
      prisma.signInThrottle,
      prisma.userSession,
    ];
    expect(await Promise.all(rows.map((table) => (table as typeof prisma.userSession).count(where)))).toEqual([
      0, 0, 0, 0, 0,
    ]);
    expect((await node.mailbox.list())[0]).toMatchObject({ recipient: email, subject: 'Daemun 계정이 삭제되었습니다' });

    const again = await node.accounts.create({ userName, email }, {});
    expect(again).toMatchObject({ kind: 'created' });
    expect(again.kind === 'created' && again.account.id).not.toBe(id);
  });
});

describe('claims', () => {
  test('are the standard ones, and absent where nothing is known', async () => {
    const updatedAt = new Date(1_790_000_000_999);
    expect(claimsOf({ id: 'x', isAdministrator: true, state: 'active', updatedAt })).toEqual({
      sub: 'x',
      updated_at: 1_790_000_000,
    });
    const account = {
      id: 'x',
      userName: 'ada',
      name: 'Ada',
      givenName: 'A',
      familyName: 'L',
      picture: 'https://a.example/',
      locale: 'en',
      zoneinfo: 'UTC',
      email: { address: 'ada@example.com', verified: true },
      isAdministrator: false,
      state: 'active' as const,
      updatedAt,
    };
    expect(claimsOf(account)).toEqual({
      sub: 'x',
      preferred_username: 'ada',
      name: 'Ada',
      given_name: 'A',
      family_name: 'L',
      picture: 'https://a.example/',
      locale: 'en',
      zoneinfo: 'UTC',
      email: 'ada@example.com',
      email_verified: true,
      updated_at: 1_790_000_000,
    });
  });

  test('S-085 an address is verified only when it was proven', async () => {
    const [claimed, proven] = [
      await node.accounts.create({ email: 'claimed@example.com' }, {}),
      await node.accounts.create({ email: 'proven@example.com', emailVerified: true }, {}),
    ];
    if (claimed.kind !== 'created' || proven.kind !== 'created') throw new Error('not created');
    expect(claimsOf(claimed.account)).toMatchObject({ email: 'claimed@example.com', email_verified: false });
    expect(claimsOf(proven.account)).toMatchObject({ email: 'proven@example.com', email_verified: true });
  });
});
