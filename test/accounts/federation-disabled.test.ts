import { describe, expect, test } from '@jest/globals';
import type { FederatedIdentity } from '../../src/accounts/federation.ts';
import { endAccountAccess } from '../../src/provider/revocation.ts';
import type { TestDatabase } from '../support/database.ts';
import { enteredAccount, googleIdentity, withAddress } from './federation-people.ts';
import { createPerson, recordedAbout, startNode, type TestNode, useNodes } from './node.ts';

let database: TestDatabase;
let node: TestNode;
useNodes((nodes) => {
  ({ database, node } = nodes);
});

const signIn = (identity: FederatedIdentity) => node.federation.signIn(identity, {});
const create = async (identity: FederatedIdentity) => enteredAccount(await signIn(identity));

describe('S-101 a disabled or deleted account lets nobody in', () => {
  test('not by its identity', async () => {
    const ending = startNode(database, { endAccess: endAccountAccess });
    const identity = googleIdentity();
    const { id } = await create(identity);
    await ending.accounts.disable(id, {});
    expect(await signIn({ ...identity, name: 'New Name' })).toEqual({ kind: 'refused', reason: 'account_disabled' });
    expect((await node.accounts.find(id))?.name).toBe('Kim Minji');
    expect((await recordedAbout(database, id)).at(-1)).toEqual({
      type: 'sign_in.failed',
      details: { reason: 'account_disabled', provider: 'google' },
    });
    await ending.accounts.enable(id, {});
    // What was begun before is void, by this number.
    expect(await signIn(identity)).toMatchObject({ kind: 'known', account: { id, accessGeneration: 2 } });
    await ending.close();
  });

  test('not by its address', async () => {
    const { id, email } = await createPerson(node);
    await node.accounts.disable(id, {});
    expect(await signIn(withAddress(email))).toEqual({ kind: 'refused', reason: 'account_disabled' });
  });

  test('not even when a row of the identity survived the deletion', async () => {
    const identity = googleIdentity();
    const { id } = await create(identity);
    await database.prisma.user.update({ where: { id }, data: { state: 'deleted' } });
    expect(await signIn(identity)).toEqual({ kind: 'refused', reason: 'account_disabled' });
    expect(await signIn({ ...identity, name: 'New Name' })).toEqual({ kind: 'refused', reason: 'account_disabled' });
  });

  test('deleting forgets the identity: the person is somebody new, if the policy lets them', async () => {
    const identity = googleIdentity();
    const { id } = await create(identity);
    const before = await node.federation.askForProof({ identity, accountId: id, interaction: 'uid', browser: 'b' });
    expect(await node.accounts.delete(id, {})).toBe('done');
    expect(await database.prisma.federatedIdentity.count({ where: { userId: id } })).toBe(0);
    expect(await database.prisma.pendingLink.count({ where: { userId: id } })).toBe(0);
    expect(await node.federation.findLink({ ...before, interaction: 'uid', browser: 'b' })).toBeUndefined();
    const closed = startNode(database, { signUp: { policy: 'closed', domains: [] } });
    expect(await closed.federation.signIn(identity, {})).toEqual({ kind: 'refused', reason: 'sign_up_closed' });
    await closed.close();
    expect((await create(identity)).id).not.toBe(id);
  });
});
