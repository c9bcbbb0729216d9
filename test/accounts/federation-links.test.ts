import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import type { FederatedIdentity } from '../../src/accounts/federation.ts';
import type { TestDatabase } from '../support/database.ts';
import { enteredAccount, withAddress } from './federation-people.ts';
import { HERE, useLinks } from './links.ts';
import { createPerson, PASSWORD, recordedAbout, type TestNode } from './node.ts';

let database: TestDatabase;
let node: TestNode;
let otherNode: TestNode;
let person: { id: string; userName: string; email: string };
let identity: FederatedIdentity;
const { ask, complete, identities } = useLinks((world) => {
  ({ database, node, otherNode, person, identity } = world);
});

describe('S-094 the owner proves the account, and the identity is theirs', () => {
  test('from then on it signs in', async () => {
    expect(await node.federation.signIn(identity, {})).toEqual({ kind: 'link_required', accountId: person.id });
    const link = await ask();
    const { loginName } = (await otherNode.federation.findLink({ link, ...HERE }))!.account;
    const proof = await node.signIn.withPassword({ login: loginName, password: PASSWORD }, {});
    expect(proof).toMatchObject({ kind: 'signed_in', account: { id: person.id } });
    const outcome = await complete(link);
    expect(outcome).toMatchObject({ kind: 'linked', account: { id: person.id, accessGeneration: 0 } });
    expect(await node.federation.signIn(identity, {})).toMatchObject({ kind: 'known', account: { id: person.id } });
    // And the password as before.
    const again = await node.signIn.withPassword({ login: person.userName, password: PASSWORD }, {});
    expect(again.kind).toBe('signed_in');
  });

  test('both sides proved the address: it is verified', async () => {
    expect((await node.accounts.find(person.id))?.email?.verified).toBe(false);
    const outcome = await complete(await ask());
    expect(outcome).toMatchObject({ account: { email: { address: person.email, verified: true } } });
    expect((await recordedAbout(database, person.id)).at(-1)).toEqual({
      type: 'identity.linked',
      details: { provider: 'google', addressVerified: true },
    });
  });

  test('an address that was verified before keeps when', async () => {
    const verifiedAt = new Date('2026-01-02T03:04:05Z');
    await database.prisma.emailAddress.updateMany({ where: { userId: person.id }, data: { verifiedAt } });
    expect((await complete(await ask())).kind).toBe('linked');
    const row = await database.prisma.emailAddress.findFirst({ where: { userId: person.id } });
    expect(row?.verifiedAt).toEqual(verifiedAt);
  });

  test('what the account does not know is filled in, the rest stays', async () => {
    const outcome = await complete(await ask());
    expect(outcome).toMatchObject({ account: { name: 'Minji At Home', picture: identity.picture, locale: 'ko' } });
    const renamed = { ...identity, name: 'Renamed There', picture: 'https://pictures.test/later.png' };
    const later = enteredAccount(await node.federation.signIn(renamed, {}));
    expect(later).toMatchObject({ name: 'Minji At Home', picture: renamed.picture });
  });

  test.each([
    ['en', 'google', 'Google was linked to your Daemun account'],
    ['ko', 'discord', 'Daemun 계정에 Discord 로그인이 연결되었습니다'],
  ])('S-147 they are told by mail, in their language: %s', async (locale, provider, subject) => {
    const { id } = await createPerson(node, { locale, email: `told.${locale}@example.com` });
    const link = await ask(id, withAddress(`told.${locale}@example.com`, { provider }));
    expect((await complete(link, { accountId: id })).kind).toBe('linked');
    const [message] = await node.mailbox.list();
    expect(message).toMatchObject({ recipient: `told.${locale}@example.com`, subject });
    expect(message!.text).toContain(provider === 'google' ? 'Google' : 'Discord');
  });

  test('an administrator is linked by the same proof, and stays one', async () => {
    const email = 'root@example.com';
    const { id } = await createPerson(node, { isAdministrator: true, email });
    const link = await ask(id, withAddress(email));
    const outcome = await complete(link, { accountId: id });
    expect(outcome).toMatchObject({ kind: 'linked', account: { isAdministrator: true } });
  });
});

describe('what is shown and kept', () => {
  test('nothing comes from the account: who follows the link has only proven an address', async () => {
    expect(await node.federation.findLink({ link: await ask(), ...HERE })).toEqual({
      provider: 'google',
      account: { id: person.id, loginName: person.email, name: 'Kim Minji', hasPassword: true },
      provenAt: [],
    });
    const unnamed = { ...identity, name: undefined };
    const found = await node.federation.findLink({ link: await ask(person.id, unnamed), ...HERE });
    expect(found?.account.name).toBe(person.email);
  });

  test('with what it can be proven: the password, or else the providers that it is connected to', async () => {
    const { id, email } = person;
    const connected = [withAddress(email, { provider: 'discord' }), withAddress(email, { provider: 'discord' })];
    for (const { provider, subject } of connected) {
      await database.prisma.federatedIdentity.create({ data: { userId: id, provider, subject } });
    }
    expect(await node.federation.findLink({ link: await ask(), ...HERE })).toMatchObject({
      account: { hasPassword: true },
      provenAt: [],
    });
    await database.prisma.passwordCredential.deleteMany({ where: { userId: id } });
    expect(await node.federation.findLink({ link: await ask(), ...HERE })).toMatchObject({
      account: { hasPassword: false },
      provenAt: ['discord'],
    });
    await database.prisma.federatedIdentity.deleteMany({ where: { userId: id } });
    expect((await node.federation.findLink({ link: await ask(), ...HERE }))?.provenAt).toEqual([]);
  });

  test('S-103 256 random bits, of which only a digest is stored, and of the interaction too', async () => {
    const link = await ask();
    expect(Buffer.from(link, 'base64url')).toHaveLength(32);
    const rows = await database.prisma.pendingLink.findMany({ where: { userId: person.id } });
    expect(rows).toHaveLength(1);
    const { id, interaction } = rows[0]!;
    expect(Buffer.from(id)).toEqual(createHash('sha256').update(`pending-link:${link}`).digest());
    expect(JSON.stringify(rows)).not.toContain(link);
    expect(Buffer.from(interaction).toString('latin1')).not.toContain(HERE.interaction);
    const minutes = (rows[0]!.expiresAt.getTime() - rows[0]!.createdAt.getTime()) / 60_000;
    expect(minutes).toBeCloseTo(10, 1);
  });

  test('looking spends nothing', async () => {
    const link = await ask();
    for (let time = 0; time < 3; time++) expect(await node.federation.findLink({ link, ...HERE })).toBeDefined();
    expect((await complete(link)).kind).toBe('linked');
    expect(await node.federation.findLink({ link, ...HERE })).toBeUndefined();
    expect(await complete(link)).toEqual({ kind: 'spent' });
  });
});

describe('S-103 S-105 the identity that was proven is linked, to the account that has its address, and to nobody else', () => {
  test('taken, when it got another owner meanwhile', async () => {
    const link = await ask();
    const other = await createPerson(node);
    const changed = { ...identity, email: { address: other.email, verified: true } };
    const toOther = await ask(other.id, changed);
    expect((await complete(toOther, { accountId: other.id })).kind).toBe('linked');
    expect(await complete(link)).toEqual({ kind: 'taken' });
    expect(await identities()).toEqual([]);
    expect((await node.accounts.find(person.id))?.email?.verified).toBe(false);
    expect(await complete(link)).toEqual({ kind: 'spent' });
  });

  test('linked, when it became their own in another window', async () => {
    const [first, second] = [await ask(), await ask()];
    expect([(await complete(first)).kind, (await complete(second)).kind]).toEqual(['linked', 'linked']);
    expect(await identities()).toEqual([identity.subject]);
  });

  const never: [string, () => Promise<[FederatedIdentity, string]>][] = [
    [
      'an unverified address',
      async () => [{ ...identity, email: { address: person.email, verified: false } }, person.id],
    ],
    ['no address', async () => [{ ...identity, email: undefined }, person.id]],
    ["another account than the address's", async () => [identity, (await createPerson(node)).id]],
    ['no account', async () => [identity, 'x']],
    [
      'a disabled account',
      async () => {
        await node.accounts.disable(person.id, {});
        return [identity, person.id];
      },
    ],
  ];
  test.each(never)('nothing is even asked for with %s', async (_what, make) => {
    const [of, accountId] = await make();
    const link = await ask(accountId, of);
    expect(await node.federation.findLink({ link, ...HERE })).toBeUndefined();
    expect(await complete(link, { accountId })).toEqual({ kind: 'spent' });
    expect(await database.prisma.pendingLink.count({ where: { subject: of.subject } })).toBe(0);
  });
});
