import { describe, expect, test } from '@jest/globals';
import type { FederatedIdentity } from '../../src/accounts/federation.ts';
import type { TestDatabase } from '../support/database.ts';
import { enteredAccount, googleIdentity } from './federation-people.ts';
import { type TestNode, useNodes } from './node.ts';

let database: TestDatabase;
let node: TestNode;
useNodes((nodes) => {
  ({ database, node } = nodes);
});

const enter = async (identity: FederatedIdentity) => enteredAccount(await node.federation.signIn(identity, {}));
const change = (id: string, data: { name?: string | null; picture?: string | null }) =>
  database.prisma.user.update({ where: { id }, data });

describe('a later sign-in', () => {
  const news: [string, Partial<FederatedIdentity>, Record<string, string>][] = [
    ['name', { name: 'Park Minji' }, { name: 'Park Minji' }],
    ['given and family name', { givenName: 'M.', familyName: 'Park' }, { givenName: 'M.', familyName: 'Park' }],
    ['picture', { picture: 'https://pictures.test/new.gif' }, { picture: 'https://pictures.test/new.gif' }],
    ['locale', { locale: 'en-GB' }, { locale: 'en-GB' }],
  ];
  test.each(news)('takes over a new %s', async (_what, said, expected) => {
    const identity = googleIdentity();
    const before = await enter(identity);
    const after = await enter({ ...identity, ...said });
    expect(after).toEqual({ ...before, ...expected, updatedAt: expect.any(Date) });
    expect(after.updatedAt.getTime()).toBeGreaterThan(before.updatedAt.getTime());
    expect(await node.accounts.find(after.id)).toMatchObject(expected);
  });

  test('that says nothing new changes nothing, not even when the account was changed last', async () => {
    const identity = googleIdentity();
    const before = await enter(identity);
    expect(await enter(identity)).toEqual(before);
    await database.prisma.federatedIdentity.updateMany({
      where: { userId: before.id },
      data: { lastUsedAt: new Date(0) },
    });
    expect(await enter(identity)).toEqual(before);
    const [listed] = await node.federation.list(before.id);
    expect(listed!.lastUsedAt.getTime()).toBeGreaterThan(before.updatedAt.getTime() - 60_000);
  });

  test('that says less than before takes nothing away', async () => {
    const identity = googleIdentity();
    const before = await enter(identity);
    const { provider, subject } = identity;
    expect(await enter({ provider, subject })).toEqual(before);
    expect(await enter({ provider, subject, name: ' \u200b', picture: 'data:,' })).toEqual(before);
  });
});

describe('what was changed here', () => {
  test('stays, whatever the provider says later, and the rest follows', async () => {
    const identity = googleIdentity();
    const { id } = await enter(identity);
    await change(id, { name: 'Chosen Here' });
    for (const name of ['Park Minji', 'Kim Minji', 'Lee Minji']) {
      const picture = `https://pictures.test/${name.replace(' ', '-')}.png`;
      expect(await enter({ ...identity, name, picture })).toMatchObject({ name: 'Chosen Here', picture });
    }
  });

  test('stays removed', async () => {
    const identity = googleIdentity();
    const { id } = await enter(identity);
    await change(id, { picture: null });
    expect(await enter({ ...identity, picture: 'https://pictures.test/again.png' })).not.toHaveProperty('picture');
  });

  test('follows again when it was changed back', async () => {
    const identity = googleIdentity();
    const { id } = await enter(identity);
    await change(id, { name: 'Chosen Here' });
    await enter({ ...identity, name: 'Park Minji' });
    await change(id, { name: 'Park Minji' });
    expect(await enter({ ...identity, name: 'Lee Minji' })).toMatchObject({ name: 'Lee Minji' });
  });
});

test('what the provider did not say at first is filled in when it does', async () => {
  const identity = googleIdentity({ picture: undefined, locale: undefined });
  await enter(identity);
  const said = { picture: 'https://pictures.test/first.png', locale: 'ko' };
  expect(await enter({ ...identity, ...said })).toMatchObject(said);
});

test('parallel sign-ins that say different things end with what one of them said, and it still follows', async () => {
  const identity = googleIdentity();
  const { id } = await enter(identity);
  const names = Array.from({ length: 40 }, (_, number) => `Name ${number}`);
  const outcomes = await Promise.all(names.map((name) => node.federation.signIn({ ...identity, name }, {})));
  expect(new Set(outcomes.map(({ kind }) => kind))).toEqual(new Set(['known']));
  const { name } = (await node.accounts.find(id))!;
  expect(names).toContain(name);
  expect((await node.federation.list(id))[0]!.name).toBe(name);
  expect(await enter({ ...identity, name: 'Last' })).toMatchObject({ name: 'Last' });
});
