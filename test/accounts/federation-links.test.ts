import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, test } from '@jest/globals';
import type { FederatedIdentity } from '../../src/accounts/federation.ts';
import { endAccountAccess } from '../../src/provider/revocation.ts';
import type { TestDatabase } from '../support/database.ts';
import { enteredAccount, googleIdentity, withAddress } from './federation-people.ts';
import { createPerson, PASSWORD, recordedAbout, startNode, type TestNode, useNodes } from './node.ts';

const UID = 'interaction-uid';

let database: TestDatabase;
let node: TestNode;
let otherNode: TestNode;
useNodes((nodes) => {
  ({ database, node, otherNode } = nodes);
});

let person: { id: string; userName: string; email: string };
let identity: FederatedIdentity;
beforeEach(async () => {
  person = await createPerson(node, { name: 'Minji At Home' });
  identity = withAddress(person.email);
});

const ask = async (accountId = person.id, of = identity) =>
  (await node.federation.askForProof({ identity: of, accountId, interaction: UID })).link;
const complete = (link: string, input: { interaction?: string; accountId?: string } = {}) =>
  otherNode.federation.completeLink({ link, interaction: UID, accountId: person.id, ...input }, { requestId: 'r' });
const identities = async () => (await node.federation.list(person.id)).map(({ subject }) => subject);

describe('S-094 the owner proves the account, and the identity is theirs', () => {
  test('from then on it signs in', async () => {
    expect(await node.federation.signIn(identity, {})).toEqual({ kind: 'link_required', accountId: person.id });
    const link = await ask();
    const { loginName } = (await otherNode.federation.findLink(link, UID))!.account;
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
    expect(await node.federation.findLink(await ask(), UID)).toEqual({
      provider: 'google',
      account: { id: person.id, loginName: person.email, name: 'Kim Minji', hasPassword: true },
    });
    const unnamed = { ...identity, name: undefined };
    const found = await node.federation.findLink(await ask(person.id, unnamed), UID);
    expect(found?.account.name).toBe(person.email);
  });

  test('whether there is a password to prove it with', async () => {
    await database.prisma.passwordCredential.deleteMany({ where: { userId: person.id } });
    expect((await node.federation.findLink(await ask(), UID))?.account.hasPassword).toBe(false);
  });

  test('S-103 256 random bits, of which only a digest is stored, and of the interaction too', async () => {
    const link = await ask();
    expect(Buffer.from(link, 'base64url')).toHaveLength(32);
    const rows = await database.prisma.pendingLink.findMany({ where: { userId: person.id } });
    expect(rows).toHaveLength(1);
    const { id, interaction } = rows[0]!;
    expect(Buffer.from(id)).toEqual(createHash('sha256').update(`pending-link:${link}`).digest());
    expect(JSON.stringify(rows)).not.toContain(link);
    expect(Buffer.from(interaction).toString('latin1')).not.toContain(UID);
    const minutes = (rows[0]!.expiresAt.getTime() - rows[0]!.createdAt.getTime()) / 60_000;
    expect(minutes).toBeCloseTo(10, 1);
  });

  test('looking spends nothing', async () => {
    const link = await ask();
    for (let time = 0; time < 3; time++) expect(await node.federation.findLink(link, UID)).toBeDefined();
    expect((await complete(link)).kind).toBe('linked');
    expect(await node.federation.findLink(link, UID)).toBeUndefined();
    expect(await complete(link)).toEqual({ kind: 'spent' });
  });
});

describe('S-103 a link leads nowhere', () => {
  interface Case {
    link?: (link: string) => string;
    interaction?: string;
    accountId?: () => Promise<string>;
    meanwhile?: (link: string) => Promise<unknown>;
    expected?: { kind: string; reason?: string };
    found?: true;
  }
  const ending = () => startNode(database, { endAccess: endAccountAccess });
  const pending = () => ({ where: { userId: person.id } });
  const cases: [string, Case][] = [
    ['that is no link', { link: () => 'x', found: true }],
    ['that was never made', { link: () => 'x'.repeat(43), found: true }],
    ['with one letter changed', { link: (link) => `${link[0] === 'A' ? 'B' : 'A'}${link.slice(1)}`, found: true }],
    ['in another interaction', { interaction: 'another-uid', found: true }],
    ['without an interaction', { interaction: '', found: true }],
    ['for another proven account', { accountId: async () => (await createPerson(node)).id, found: true }],
    ['for an account that is none', { accountId: async () => 'x', found: true }],
    [
      'after ten minutes',
      { meanwhile: () => database.prisma.pendingLink.updateMany({ ...pending(), data: { expiresAt: new Date() } }) },
    ],
    ['that was used', { meanwhile: complete }],
    [
      "after the account's access ended",
      { meanwhile: () => database.prisma.$transaction((tx) => endAccountAccess(tx, person.id)) },
    ],
    [
      'after a new password',
      {
        async meanwhile() {
          const { oneTimeLinks } = ending();
          const { token } = await oneTimeLinks.createInvitation(person.id);
          expect((await oneTimeLinks.completeSetPassword(token, { password: `${PASSWORD} anew` }, {})).kind).toBe(
            'changed',
          );
        },
      },
    ],
    [
      'after the account was disabled',
      {
        meanwhile: () => node.accounts.disable(person.id, {}),
        expected: { kind: 'refused', reason: 'account_disabled' },
      },
    ],
    [
      'after the account was disabled and enabled',
      {
        async meanwhile() {
          await ending().accounts.disable(person.id, {});
          await ending().accounts.enable(person.id, {});
        },
      },
    ],
    ['after the account was deleted', { meanwhile: () => node.accounts.delete(person.id, {}) }],
    [
      'after the address was taken from the account',
      { meanwhile: () => database.prisma.emailAddress.deleteMany({ where: { userId: person.id } }) },
    ],
    [
      'S-100 after the provider was closed',
      {
        meanwhile: () =>
          database.prisma.upstreamConnection.create({ data: { provider: 'closing', disabledAt: new Date() } }),
      },
    ],
  ];
  test.each(cases)('%s', async (_what, { link, interaction = UID, accountId, meanwhile, expected, found }) => {
    if (_what.includes('closed')) identity = { ...identity, provider: 'closing' };
    const real = await ask();
    await meanwhile?.(real);
    const before = await identities();
    const value = link?.(real) ?? real;
    if (!accountId) expect(await node.federation.findLink(value, interaction)).toBeUndefined();
    const proven = accountId ? await accountId() : person.id;
    expect(await complete(value, { interaction, accountId: proven })).toEqual(expected ?? { kind: 'spent' });
    expect(await identities()).toEqual(before);
    // Whoever tries something else spends nothing.
    if (found) expect((await complete(real)).kind).toBe('linked');
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
    expect(await node.federation.findLink(link, UID)).toBeUndefined();
    expect(await complete(link, { accountId })).toEqual({ kind: 'spent' });
    expect(await database.prisma.pendingLink.count({ where: { subject: of.subject } })).toBe(0);
  });
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
    expect(await node.federation.findLink(second, UID)).toBeUndefined();
    expect(await complete(second)).toEqual({ kind: 'spent' });
  });

  test('is for what is there', async () => {
    expect(await unlink()).toBe('not_found');
    expect(await node.federation.unlink({ provider: 'google', accountId: 'x' }, {})).toBe('not_found');
    expect(await node.federation.list('x')).toEqual([]);
  });
});
