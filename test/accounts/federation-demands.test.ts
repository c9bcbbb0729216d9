import { describe, expect, test } from '@jest/globals';
import type { Demands, FederatedIdentity } from '../../src/accounts/federation.ts';
import { endAccountAccess } from '../../src/provider/revocation.ts';
import type { TestDatabase } from '../support/database.ts';
import { enteredAccount, googleIdentity, withAddress } from './federation-people.ts';
import { createPerson, PASSWORD, recordedAbout, startNode, type TestNode, useNodes } from './node.ts';

let database: TestDatabase;
let node: TestNode;
useNodes((nodes) => {
  ({ database, node } = nodes);
});

const signIn = (identity: FederatedIdentity, demands?: Demands) => node.federation.signIn(identity, {}, demands);
const create = async (identity: FederatedIdentity) => enteredAccount(await signIn(identity));
const people = () => database.prisma.user.count();

describe('when one account has to sign in again', () => {
  test('it does', async () => {
    const identity = googleIdentity();
    const { id } = await create(identity);
    expect(await signIn(identity, { only: id })).toMatchObject({ kind: 'known', account: { id } });
    const { id: provable, email } = await createPerson(node);
    expect(await signIn(withAddress(email), { only: provable })).toEqual({
      kind: 'link_required',
      accountId: provable,
    });
  });

  test('nobody else is signed in, made or offered a link', async () => {
    const { id } = await createPerson(node);
    const stranger = googleIdentity();
    await create(stranger);
    const other = await createPerson(node);
    const before = await people();
    for (const identity of [stranger, withAddress(other.email), googleIdentity()]) {
      expect(await signIn(identity, { only: id })).toEqual({ kind: 'refused', reason: 'other_account' });
    }
    expect(await people()).toBe(before);
  });
});

describe('S-016 when a proof of now is wanted that the provider did not give', () => {
  const unlessPassword = true;

  /** An account with a password, and an identity that is linked to it. */
  async function linked() {
    const { id, email } = await createPerson(node);
    const identity = withAddress(email);
    await database.prisma.federatedIdentity.create({
      data: { userId: id, provider: identity.provider, subject: identity.subject },
    });
    return { id, identity };
  }

  test('who has a password here has to use it, and nothing says that they came in', async () => {
    const { id, identity } = await linked();
    for (const demands of [{ unlessPassword }, { unlessPassword, only: id }]) {
      expect(await signIn(identity, demands)).toEqual({ kind: 'refused', reason: 'password_needed' });
    }
    const recorded = await recordedAbout(database, id);
    expect(recorded.at(-1)).toEqual({
      type: 'sign_in.failed',
      details: { provider: 'google', reason: 'password_needed' },
    });
    expect(recorded.map(({ type }) => type)).not.toContain('sign_in.succeeded');
    expect(await signIn(identity)).toMatchObject({ kind: 'known', account: { id } });
  });

  test('S-164 the word of the provider is enough for who has none, or is new', async () => {
    const identity = googleIdentity();
    expect(await signIn(identity, { unlessPassword })).toMatchObject({ kind: 'created' });
    expect(await signIn(identity, { unlessPassword })).toMatchObject({ kind: 'known' });
  });

  test('an account that is to be linked is proven anyway', async () => {
    const { id, email } = await createPerson(node);
    expect(await signIn(withAddress(email), { unlessPassword })).toEqual({ kind: 'link_required', accountId: id });
  });

  test('who it is, and whether they may come in, is decided first', async () => {
    const { id, identity } = await linked();
    const other = await createPerson(node);
    const demands = { unlessPassword, only: other.id };
    expect(await signIn(identity, demands)).toEqual({ kind: 'refused', reason: 'other_account' });
    await node.accounts.disable(id, {});
    expect(await signIn(identity, { unlessPassword })).toEqual({ kind: 'refused', reason: 'account_disabled' });
  });

  test('a password that is set after it was asked for leaves the sign-in without effect', async () => {
    const identity = googleIdentity();
    const { id, accessGeneration } = await create(identity);
    const entered = enteredAccount(await signIn(identity, { unlessPassword }));
    const ending = startNode(database, { endAccess: endAccountAccess });
    const { token } = await ending.oneTimeLinks.createInvitation(id);
    await ending.oneTimeLinks.completeSetPassword(token, { password: `${PASSWORD} of now` }, {});
    await ending.close();
    expect(entered.accessGeneration).toBe(accessGeneration);
    expect((await node.accounts.find(id))?.accessGeneration).toBeGreaterThan(accessGeneration);
  });
});

test('whether somebody has a password is a question with an answer for everybody', async () => {
  const { id } = await createPerson(node);
  const { id: without } = await create(googleIdentity());
  const asked = [id, without, '0198f0aa-6a55-7f1b-9d0e-3f6f1f8c2b11', 'x', ''];
  expect(await Promise.all(asked.map(node.accounts.hasPassword))).toEqual([true, false, false, false, false]);
});
