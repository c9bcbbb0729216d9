import { beforeEach, describe, expect, test } from '@jest/globals';
import type { FederatedIdentity } from '../../src/accounts/federation.ts';
import { disableConnection, enableConnection } from '../../src/upstreams/connections.store.ts';
import type { TestDatabase } from '../support/database.ts';
import { enteredAccount, googleIdentity } from './federation-people.ts';
import { HERE, useLinks } from './links.ts';
import { createPerson, type TestNode } from './node.ts';

let database: TestDatabase;
let node: TestNode;
const { ask, complete } = useLinks((world) => {
  ({ database, node } = world);
});

/** Of each test its own, because connections remember what was done to them. */
let provider: string;
let proving: FederatedIdentity;
let accountId: string;
let count = 0;
beforeEach(async () => {
  count += 1;
  provider = `proving-${count}`;
  proving = googleIdentity({ provider });
  accountId = enteredAccount(await node.federation.signIn(proving, {})).id;
});

const askFor = () => ask(accountId, { ...googleIdentity({ provider: 'discord' }), email: proving.email! });
const proofBy = (subject = proving.subject) => ({ provider, subject, connectionVersion: 0 });
const providersOf = async () => (await node.federation.list(accountId)).map((identity) => identity.provider);

describe('S-100 S-103 an account that was proven by another provider is linked while that proof stands', () => {
  test('and so it is', async () => {
    expect((await complete(await askFor(), { accountId, proof: proofBy() })).kind).toBe('linked');
    expect(await providersOf()).toEqual([provider, 'discord']);
  });

  const disable = () => database.prisma.$transaction((tx) => disableConnection(tx, provider));
  const enable = () => database.prisma.$transaction((tx) => enableConnection(tx, provider));
  const other = async () => {
    const subject = proving.subject;
    const data = { userId: (await createPerson(node)).id };
    await database.prisma.federatedIdentity.update({ where: { provider_subject: { provider, subject } }, data });
  };

  test.each<[string, () => Promise<unknown>]>([
    [
      'the identity was unlinked',
      async () => {
        // Another way in, so that this one may go.
        const rest = { ...googleIdentity(), userId: accountId };
        await database.prisma.federatedIdentity.create({
          data: { provider: 'rest', subject: rest.subject, userId: accountId },
        });
        expect(await node.federation.unlink({ provider, accountId }, {})).toBe('done');
      },
    ],
    ['the identity is of somebody else', other],
    ['its connection was disabled', disable],
    ['its connection was disabled and enabled', () => disable().then(enable)],
  ])('not when %s', async (_, meanwhile) => {
    const link = await askFor();
    await meanwhile();
    const before = await providersOf();
    expect(await complete(link, { accountId, proof: proofBy() })).toEqual({ kind: 'unproven' });
    expect(await providersOf()).toEqual(before);
    // It is as good as it was, for a proof that stands.
    expect(await node.federation.findLink({ link, ...HERE })).toBeDefined();
  });

  test('not by an identity that never was of the account', async () => {
    expect(await complete(await askFor(), { accountId, proof: proofBy('nobody') })).toEqual({ kind: 'unproven' });
  });

  test('one that is over is over, whatever proves it', async () => {
    const link = await askFor();
    await complete(link, { accountId, proof: proofBy() });
    expect(await complete(link, { accountId, proof: proofBy() })).toEqual({ kind: 'spent' });
  });

  test('proven and unlinked at the same moment: one of both, never a link by an identity that was gone', async () => {
    for (let round = 0; round < 10; round++) {
      const own = googleIdentity({ provider });
      const id = enteredAccount(await node.federation.signIn(own, {})).id;
      await database.prisma.federatedIdentity.create({ data: { provider: 'rest', subject: `r-${id}`, userId: id } });
      const link = await ask(id, { ...googleIdentity({ provider: 'discord' }), email: own.email! });
      const [linked, unlinked] = await Promise.all([
        complete(link, { accountId: id, proof: proofBy(own.subject) }),
        node.federation.unlink({ provider, accountId: id }, {}),
      ]);
      expect(['linked', 'unproven']).toContain(linked.kind);
      expect(unlinked).toBe('done');
      const left = (await node.federation.list(id)).map((identity) => identity.provider).toSorted();
      expect(left).toEqual(linked.kind === 'linked' ? ['discord', 'rest'] : ['rest']);
    }
  });
});

test('S-095 a link that waits elsewhere is told from one that is over', async () => {
  const link = await askFor();
  const elsewhere = { ...HERE, browser: 'browser-of-a-victim' };
  expect(await node.federation.findLink({ link, ...elsewhere })).toBeUndefined();
  expect(await node.federation.isElsewhere({ link, ...elsewhere })).toBe(true);
  expect(await node.federation.isElsewhere({ link, ...HERE, interaction: 'another' })).toBe(true);
  expect(await node.federation.isElsewhere({ link, ...HERE })).toBe(false);
  expect(await node.federation.isElsewhere({ link: 'x', ...elsewhere })).toBe(false);
  await complete(link, { accountId });
  expect(await node.federation.isElsewhere({ link, ...elsewhere })).toBe(false);
});
