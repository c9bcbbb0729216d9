import { describe, expect, test } from '@jest/globals';
import type { FederatedIdentity } from '../../src/accounts/federation.ts';
import { endAccountAccess } from '../../src/provider/revocation.ts';
import type { TestDatabase } from '../support/database.ts';
import { enteredAccount, googleIdentity, withAddress } from './federation-people.ts';
import { HERE, useLinks } from './links.ts';
import { recordedAbout, startNode, type TestNode } from './node.ts';

let database: TestDatabase;
let node: TestNode;
let person: { id: string; userName: string; email: string };
let identity: FederatedIdentity;
const { ask, complete, identities } = useLinks((world) => {
  ({ database, node, person, identity } = world);
});

describe('unlinking', () => {
  const unlink = (provider = 'google', subject?: string) =>
    node.federation.unlink({ provider, accountId: person.id, ...(subject !== undefined && { subject }) }, {});

  test('ends the way in, tells the person, and frees the identity', async () => {
    await complete(await ask());
    expect(await unlink()).toBe('done');
    expect(await unlink()).toBe('not_found');
    expect(await node.federation.signIn(identity, {})).toEqual({ kind: 'link_required', accountId: person.id });
    expect((await recordedAbout(database, person.id)).map(({ type }) => type)).toContain('identity.unlinked');
    const mail = (await node.mailbox.list()).filter(({ recipient }) => recipient === person.email);
    // Its language is the one that Google said.
    expect(mail.map(({ subject }) => subject)).toEqual([
      'Daemun 계정에서 Google 로그인 연결이 해제되었습니다',
      'Daemun 계정에 Google 로그인이 연결되었습니다',
    ]);
  });

  test('is refused when it is the only way in', async () => {
    const google = googleIdentity();
    const { id } = enteredAccount(await node.federation.signIn(google, {}));
    expect(await node.federation.unlink({ provider: 'google', accountId: id }, {})).toBe('only_way_in');
    const discord = { ...googleIdentity({ provider: 'discord' }), email: google.email };
    const link = await ask(id, discord);
    expect((await complete(link, { accountId: id })).kind).toBe('linked');
    // One at a provider that was closed lets nobody in.
    const closed = { provider: 'discord', disabledAt: new Date() };
    await database.prisma.upstreamConnection.create({ data: closed });
    expect(await node.federation.unlink({ provider: 'google', accountId: id }, {})).toBe('only_way_in');
    await database.prisma.upstreamConnection.deleteMany();
    expect(await node.federation.unlink({ provider: 'google', accountId: id }, {})).toBe('done');
    expect(await node.federation.unlink({ provider: 'discord', accountId: id }, {})).toBe('only_way_in');
  });

  test('is refused when the others are at providers that nobody can be sent to any more', async () => {
    const google = googleIdentity();
    const { id } = enteredAccount(await node.federation.signIn(google, {}));
    const discord = { ...googleIdentity({ provider: 'discord' }), email: google.email };
    await complete(await ask(id, discord), { accountId: id });
    const alone = startNode(database, { isConfigured: (provider) => provider === 'google' });
    expect(await alone.federation.unlink({ provider: 'google', accountId: id }, {})).toBe('only_way_in');
    expect(await alone.federation.unlink({ provider: 'discord', accountId: id }, {})).toBe('done');
    await alone.close();
  });

  test('one of two at the same provider', async () => {
    await complete(await ask());
    const second = withAddress(person.email);
    await complete(await ask(person.id, second));
    expect(await unlink('google', identity.subject)).toBe('done');
    expect(await identities()).toEqual([second.subject]);
    expect(await unlink('google', identity.subject)).toBe('not_found');
  });

  test('S-103 a proof that was asked for before dies with it', async () => {
    await complete(await ask());
    const second = await ask(person.id, withAddress(person.email));
    expect(await unlink()).toBe('done');
    expect(await node.federation.findLink({ link: second, ...HERE })).toBeUndefined();
    expect(await complete(second)).toEqual({ kind: 'spent' });
  });

  test('is for what is there', async () => {
    expect(await unlink()).toBe('not_found');
    expect(await node.federation.unlink({ provider: 'google', accountId: 'x' }, {})).toBe('not_found');
    expect(await node.federation.list('x')).toEqual([]);
  });

  describe('because somebody else had that account', () => {
    const UNLINK = { provider: 'google', endsAccess: true };

    test('ends every session and token of the person, in the same transaction', async () => {
      await complete(await ask());
      const sessions = ['s-1', 's-2'];
      for (const uid of sessions) {
        await node.sessions.start({ uid: `${uid}-${person.id}`, userId: person.id, amr: ['fed'], provider: 'google' });
      }
      const ending = startNode(database, { endAccess: endAccountAccess });
      const before = (await node.accounts.find(person.id))!.accessGeneration;
      expect(await ending.federation.unlink({ ...UNLINK, accountId: person.id }, {})).toBe('done');
      expect(await node.sessions.list(person.id)).toEqual([]);
      expect((await node.accounts.find(person.id))!.accessGeneration).toBe(before + 1);
      expect((await recordedAbout(database, person.id)).at(-1)).toEqual({
        type: 'identity.unlinked',
        details: { provider: 'google', sessionsEnded: 2 },
      });
      await ending.close();
    });

    test('and otherwise none', async () => {
      await complete(await ask());
      expect(await unlink()).toBe('done');
      expect(node.ended).not.toContain(person.id);
      expect((await recordedAbout(database, person.id)).at(-1)).toEqual({
        type: 'identity.unlinked',
        details: { provider: 'google' },
      });
    });

    test('ends none when there was nothing to unlink', async () => {
      expect(await node.federation.unlink({ ...UNLINK, accountId: person.id }, {})).toBe('not_found');
      expect(node.ended).not.toContain(person.id);
    });

    test('unlinks nothing when the sessions cannot be ended', async () => {
      await complete(await ask());
      const failing = startNode(database, {
        async endAccess() {
          throw new Error('not now');
        },
      });
      await expect(failing.federation.unlink({ ...UNLINK, accountId: person.id }, {})).rejects.toThrow('not now');
      expect(await identities()).toEqual([identity.subject]);
      await failing.close();
    });
  });
});
