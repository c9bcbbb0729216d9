import { describe, expect, test } from '@jest/globals';
import type { FederatedIdentity, FederatedOutcome } from '../../src/accounts/federation.ts';
import type { TestDatabase } from '../support/database.ts';
import { enteredAccount, googleIdentity, withAddress } from './federation-people.ts';
import { createPerson, type TestNode, useNodes } from './node.ts';

let database: TestDatabase;
let node: TestNode;
let otherNode: TestNode;
useNodes((nodes) => {
  ({ database, node, otherNode } = nodes);
});

/** All at once, by turns on two nodes; nothing may be thrown. */
function signInAtOnce(identities: FederatedIdentity[]): Promise<FederatedOutcome[]> {
  return Promise.all(
    identities.map((identity, number) => (number % 2 ? node : otherNode).federation.signIn(identity, {})),
  );
}

const times = <T>(count: number, make: (number: number) => T): T[] => Array.from({ length: count }, (_, n) => make(n));
const kindsOf = (outcomes: { kind: string }[]) => {
  const counts: Record<string, number> = {};
  for (const { kind } of outcomes) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
};
const idOf = (outcome: FederatedOutcome) =>
  outcome.kind === 'link_required' ? outcome.accountId : enteredAccount(outcome).id;

const createdRows = (userId: string) => database.prisma.auditEvent.count({ where: { userId, type: 'user.signed_up' } });

describe('S-105 first sign-ins at once make exactly one account', () => {
  test('of one identity, 300 times on two nodes', async () => {
    const before = await database.prisma.user.count();
    const identity = googleIdentity();
    const outcomes = await signInAtOnce(times(300, () => identity));
    expect(kindsOf(outcomes)).toEqual({ created: 1, known: 299 });
    expect(new Set(outcomes.map(idOf)).size).toBe(1);
    expect(await database.prisma.user.count()).toBe(before + 1);
    expect(await createdRows(idOf(outcomes[0]!))).toBe(1);
  }, 60_000);

  test('of two providers with one address: the other is asked for a proof', async () => {
    const before = await database.prisma.user.count();
    for (let round = 0; round < 20; round++) {
      const google = googleIdentity();
      const discord = googleIdentity({ provider: 'discord', email: google.email });
      const outcomes = await signInAtOnce(times(10, (number) => (number % 3 ? google : discord)));
      const { created, known = 0, link_required = 0, ...others } = kindsOf(outcomes);
      expect([created, known + link_required, others]).toEqual([1, 9, {}]);
      expect(new Set(outcomes.map(idOf)).size).toBe(1);
      expect(await database.prisma.federatedIdentity.count({ where: { userId: idOf(outcomes[0]!) } })).toBe(1);
    }
    expect(await database.prisma.user.count()).toBe(before + 20);
  }, 60_000);

  test('of one identity that says another address each time', async () => {
    const before = await database.prisma.user.count();
    const identity = googleIdentity();
    const outcomes = await signInAtOnce(
      times(60, (number) => ({ ...identity, email: { address: `changing${number}@gmail.test`, verified: true } })),
    );
    expect(kindsOf(outcomes)).toEqual({ created: 1, known: 59 });
    expect(new Set(outcomes.map(idOf)).size).toBe(1);
    expect(await database.prisma.user.count()).toBe(before + 1);
  }, 60_000);

  test('of a hundred strangers with one address: the others are asked for a proof', async () => {
    const address = 'everybodys@gmail.test';
    const outcomes = await signInAtOnce(times(100, () => withAddress(address)));
    expect(kindsOf(outcomes)).toEqual({ created: 1, link_required: 99 });
    expect(new Set(outcomes.map(idOf)).size).toBe(1);
  }, 60_000);

  test('while the same address is given to somebody by an administrator: one account has it', async () => {
    for (let round = 0; round < 20; round++) {
      const [email, identity] = [`rival${round}@gmail.test`, withAddress(`rival${round}@gmail.test`)];
      const [made, outcome] = await Promise.all([
        otherNode.accounts.create({ email }, {}),
        node.federation.signIn(identity, {}),
      ]);
      const expected = made.kind === 'created' ? 'link_required' : 'created';
      expect(outcome.kind).toBe(expected);
      expect(await database.prisma.emailAddress.count({ where: { address: email } })).toBe(1);
      expect(await database.prisma.user.count({ where: { emailAddresses: { none: {} }, state: 'active' } })).toBe(0);
    }
  }, 60_000);
});

test('S-101 disabling at the same moment: nobody comes in afterwards, and who came in has the old number', async () => {
  for (let round = 0; round < 20; round++) {
    const identity = googleIdentity();
    const { id } = enteredAccount(await node.federation.signIn(identity, {}));
    const renamed = { ...identity, name: `Renamed ${round}` };
    const [, ...outcomes] = await Promise.all([
      otherNode.accounts.disable(id, {}),
      ...times(8, (number) => node.federation.signIn(number % 2 ? renamed : identity, {})),
    ]);
    for (const outcome of outcomes) {
      if (outcome.kind === 'known') expect(outcome.account.accessGeneration).toBe(0);
      else expect(outcome).toEqual({ kind: 'refused', reason: 'account_disabled' });
    }
    expect(await node.federation.signIn(identity, {})).toEqual({ kind: 'refused', reason: 'account_disabled' });
  }
}, 60_000);

test('deleting at the same moment ends with no identity, or with one of a new account', async () => {
  for (let round = 0; round < 20; round++) {
    const identity = googleIdentity();
    const { id } = enteredAccount(await node.federation.signIn(identity, {}));
    const said = times(6, (number) => ({ ...identity, name: `Renamed ${number}` }));
    const [deleted, ...outcomes] = await Promise.all([
      otherNode.accounts.delete(id, {}),
      ...said.map((one) => node.federation.signIn(one, {})),
    ]);
    expect(deleted).toBe('done');
    for (const { kind } of outcomes) expect(['known', 'created', 'refused']).toContain(kind);
    expect(await database.prisma.federatedIdentity.count({ where: { userId: id } })).toBe(0);
    expect((await node.accounts.find(id))?.name).toBeUndefined();
  }
}, 60_000);

describe('S-103 a link that is completed many times at once', () => {
  test('links once, and tells the person once', async () => {
    const { id, email } = await createPerson(node);
    const identity = withAddress(email);
    const { link } = await node.federation.askForProof({ identity, accountId: id, interaction: 'uid', browser: 'b' });
    const outcomes = await Promise.all(
      times(100, (number) =>
        (number % 2 ? node : otherNode).federation.completeLink(
          { link, interaction: 'uid', browser: 'b', accountId: id },
          {},
        ),
      ),
    );
    expect(kindsOf(outcomes)).toEqual({ linked: 1, spent: 99 });
    const mail = (await node.mailbox.list()).filter(({ recipient }) => recipient === email);
    expect(mail).toHaveLength(1);
    const linked = { userId: id, type: 'identity.linked' };
    expect(await database.prisma.auditEvent.count({ where: linked })).toBe(1);
  }, 60_000);

  test('to two accounts: one identity has one owner', async () => {
    for (let round = 0; round < 20; round++) {
      const [first, second] = [await createPerson(node), await createPerson(node)];
      const identity = withAddress(first.email);
      const toFirst = await node.federation.askForProof({
        identity,
        accountId: first.id,
        interaction: 'uid',
        browser: 'b',
      });
      const changed = { ...identity, email: { address: second.email, verified: true } };
      const toSecond = await node.federation.askForProof({
        identity: changed,
        accountId: second.id,
        interaction: 'uid',
        browser: 'b',
      });
      const outcomes = await Promise.all([
        node.federation.completeLink({ link: toFirst.link, interaction: 'uid', browser: 'b', accountId: first.id }, {}),
        otherNode.federation.completeLink(
          { link: toSecond.link, interaction: 'uid', browser: 'b', accountId: second.id },
          {},
        ),
      ]);
      expect(kindsOf(outcomes)).toEqual({ linked: 1, taken: 1 });
      const { subject } = identity;
      expect(await database.prisma.federatedIdentity.count({ where: { subject } })).toBe(1);
    }
  }, 60_000);
});

test('of two identities that are each the only other way in, one cannot be unlinked', async () => {
  for (let round = 0; round < 20; round++) {
    const google = googleIdentity();
    const { id } = enteredAccount(await node.federation.signIn(google, {}));
    const discord = googleIdentity({ provider: 'discord', email: google.email });
    const { link } = await node.federation.askForProof({
      identity: discord,
      accountId: id,
      interaction: 'uid',
      browser: 'b',
    });
    await node.federation.completeLink({ link, interaction: 'uid', browser: 'b', accountId: id }, {});
    const outcomes = await Promise.all([
      node.federation.unlink({ provider: 'google', accountId: id }, {}),
      otherNode.federation.unlink({ provider: 'discord', accountId: id }, {}),
    ]);
    expect(outcomes.sort()).toEqual(['done', 'only_way_in']);
  }
}, 60_000);
