import { beforeAll, describe, expect, test } from '@jest/globals';
import type { FederatedIdentity } from '../../src/accounts/federation.ts';
import type { TestDatabase } from '../support/database.ts';
import { enteredAccount, googleIdentity, withAddress } from './federation-people.ts';
import { createPerson, PASSWORD, recordedAbout, startNode, type TestNode, useNodes } from './node.ts';

const BY = { address: '192.0.2.1', requestId: 'request' };

let database: TestDatabase;
let node: TestNode;
useNodes((nodes) => {
  ({ database, node } = nodes);
});

const signIn = (identity: FederatedIdentity) => node.federation.signIn(identity, BY);
const create = async (identity: FederatedIdentity) => enteredAccount(await signIn(identity));
const people = () => database.prisma.user.count();

describe('a first sign-in', () => {
  test('makes an account with the verified address and what the provider says', async () => {
    const identity = googleIdentity();
    const outcome = await signIn(identity);
    expect(outcome).toEqual({
      kind: 'created',
      account: {
        id: expect.any(String),
        name: 'Kim Minji',
        givenName: 'Minji',
        familyName: 'Kim',
        picture: 'https://pictures.test/minji.png',
        locale: 'ko',
        email: { address: identity.email!.address, verified: true },
        isAdministrator: false,
        state: 'active',
        updatedAt: expect.any(Date),
        accessGeneration: 0,
      },
    });
    const { id } = enteredAccount(outcome);
    expect(await recordedAbout(database, id)).toEqual([
      { type: 'user.created', details: {} },
      { type: 'user.signed_up', details: { provider: 'google' } },
      { type: 'sign_in.succeeded', details: { amr: ['fed'], provider: 'google' } },
    ]);
    expect(await node.federation.list(id)).toEqual([
      {
        provider: 'google',
        subject: identity.subject,
        email: identity.email,
        name: 'Kim Minji',
        picture: 'https://pictures.test/minji.png',
        createdAt: expect.any(Date),
        lastUsedAt: expect.any(Date),
      },
    ]);
    // Nobody has a password who did not choose one.
    const attempt = { login: identity.email!.address, password: PASSWORD };
    expect(await node.signIn.withPassword(attempt, {})).toEqual({ kind: 'refused' });
  });

  test('is refused when the subject cannot be one', async () => {
    const before = await people();
    for (const subject of ['', '\0', 'a\nb', 'x'.repeat(256)]) {
      await expect(signIn(googleIdentity({ subject }))).rejects.toMatchObject({ code: 'bad_request' });
    }
    expect(await people()).toBe(before);
  });

  test('never says a name, picture or language that could not be typed here', async () => {
    const account = await create(
      googleIdentity({
        name: `\u202eKim\u200b\nMinji\0 ${'x'.repeat(200)}`,
        givenName: '\u200d\u2060',
        familyName: '  ',
        picture: 'javascript:alert(1)',
        locale: 'not_a_locale_at_all',
      }),
    );
    expect(account.name).toMatch(/^Kim Minji x{90}$/);
    expect(account).not.toHaveProperty('givenName');
    expect(account).not.toHaveProperty('familyName');
    expect(account).not.toHaveProperty('picture');
    expect(account).not.toHaveProperty('locale');
  });

  test('takes the user name as the name where there is no other, and never as what one signs in with', async () => {
    const account = await create(googleIdentity({ provider: 'discord', name: undefined, userName: 'minji.k' }));
    expect(account.name).toBe('minji.k');
    expect(account).not.toHaveProperty('userName');
  });
});

describe('S-094 S-111 without a proven address nobody is linked, made or marked as verified', () => {
  const holder = 'holder@example.com';
  beforeAll(async () => {
    await createPerson(node, { email: holder });
  });

  const unproven: [string, FederatedIdentity['email'], string][] = [
    ['no address', undefined, 'email_missing'],
    ['an empty one', { address: '', verified: true }, 'email_missing'],
    ['one that is none', { address: 'nobody', verified: true }, 'email_missing'],
    ['several', { address: `${holder}, eve@example.com`, verified: true }, 'email_missing'],
    ['a quoted local part', { address: '"holder"@example.com', verified: true }, 'email_missing'],
    ['a letter that looks like another', { address: 'h\u043elder@example.com', verified: true }, 'email_missing'],
    ['one that is not verified', { address: 'unverified@gmail.test', verified: false }, 'email_not_verified'],
    ["somebody else's, not verified", { address: holder, verified: false }, 'email_not_verified'],
    ['no flag', { address: 'flagless@gmail.test' } as unknown as FederatedIdentity['email'], 'email_not_verified'],
    [
      'the flag as a word',
      { address: 'word@gmail.test', verified: 'true' } as unknown as FederatedIdentity['email'],
      'email_not_verified',
    ],
  ];
  test.each(unproven)('%s', async (_what, email, reason) => {
    const before = await people();
    const identity = googleIdentity({ email });
    expect(await signIn(identity)).toEqual({ kind: 'refused', reason });
    const { subject } = identity;
    expect(await database.prisma.federatedIdentity.count({ where: { subject } })).toBe(0);
    expect(await people()).toBe(before);
    const address = await database.prisma.emailAddress.findFirst({ where: { address: holder } });
    expect(address?.verifiedAt).toBeNull();
  });
});

describe('S-094 an address that somebody has here asks for a proof and gives nothing', () => {
  const spellings: [string, string, string][] = [
    ['the same', 'kim1@example.com', 'kim1@example.com'],
    ['capital letters', 'kim2@example.com', 'KIM2@Example.COM'],
    ['spaces around it', 'kim5@example.com', ' kim5@example.com '],
    ['an international domain', 'kim6@bücher.example', 'kim6@xn--bcher-kva.example'],
  ];
  test.each(spellings)('whatever the spelling: %s', async (_how, email, said) => {
    const { id } = await createPerson(node, { email });
    expect(await signIn(withAddress(said))).toEqual({ kind: 'link_required', accountId: id });
    expect(await node.federation.list(id)).toEqual([]);
    expect((await node.accounts.find(id))?.email?.verified).toBe(false);
    expect((await recordedAbout(database, id)).at(-1)).toEqual({
      type: 'identity.link_required',
      details: { provider: 'google' },
    });
  });

  const owners: [string, Partial<Parameters<typeof createPerson>[1]>][] = [
    ['verified', { emailVerified: true }],
    ['without a password', { password: undefined, emailVerified: true }],
    ['an administrator', { isAdministrator: true, emailVerified: true }],
  ];
  test.each(owners)('whoever has it: %s', async (_who, input) => {
    const { id, email } = await createPerson(node, input);
    expect(await signIn(withAddress(email))).toEqual({ kind: 'link_required', accountId: id });
  });

  test('also where the other provider has verified it before', async () => {
    const google = googleIdentity();
    const { id } = await create(google);
    const discord = googleIdentity({ provider: 'discord', email: google.email });
    expect(await signIn(discord)).toEqual({ kind: 'link_required', accountId: id });
  });

  test('also where the same provider has given it to somebody else', async () => {
    const former = googleIdentity();
    const { id } = await create(former);
    expect(await signIn(googleIdentity({ email: former.email }))).toEqual({ kind: 'link_required', accountId: id });
  });
});

describe('S-093 who comes again', () => {
  test('is known by provider and subject, whatever the address says', async () => {
    const identity = googleIdentity();
    const { id } = await create(identity);
    const other = await createPerson(node);
    const addresses: [string, FederatedIdentity['email']][] = [
      ['the same', identity.email],
      ['a new one', { address: 'renamed@gmail.test', verified: true }],
      ["another account's", { address: other.email, verified: true }],
      ['unverified', { address: 'x@gmail.test', verified: false }],
      ['none', undefined],
    ];
    for (const [, email] of addresses) {
      const account = await signIn({ ...identity, email });
      expect(account).toMatchObject({ kind: 'known', account: { id, email: identity.email } });
    }
    expect(await node.federation.list(other.id)).toEqual([]);
    expect((await recordedAbout(database, id)).at(-1)).toEqual({
      type: 'sign_in.succeeded',
      details: { amr: ['fed'], provider: 'google' },
    });
  });

  test('the same subject at another provider is somebody else', async () => {
    const google = googleIdentity();
    const { id } = await create(google);
    const discord = await create({ ...googleIdentity({ provider: 'discord' }), subject: google.subject });
    expect(discord.id).not.toBe(id);
  });

  test('subjects are compared exactly', async () => {
    const { id } = await create(googleIdentity({ subject: 'Abc' }));
    expect((await create(googleIdentity({ subject: 'abc' }))).id).not.toBe(id);
    expect((await create(googleIdentity({ subject: 'Abc ' }))).id).not.toBe(id);
  });

  test('the address of the account stays; what the provider says is kept with the identity', async () => {
    const identity = googleIdentity();
    const { id, email } = await create(identity);
    await signIn({ ...identity, email: { address: 'Renamed.Again@gmail.test', verified: true } });
    expect((await node.accounts.find(id))?.email).toEqual(email);
    const [listed] = await node.federation.list(id);
    expect(listed!.email).toEqual({ address: 'Renamed.Again@gmail.test', verified: true });
    await signIn({ ...identity, email: undefined });
    expect((await node.federation.list(id))[0]!.email).toEqual({ address: 'Renamed.Again@gmail.test', verified: true });
  });
});

describe('S-110 a private-relay address is an ordinary address', () => {
  const relayed = (said: Partial<FederatedIdentity> = {}) => {
    const identity = googleIdentity(said);
    const address = `${identity.subject}x@privaterelay.appleid.com`;
    return { ...identity, email: { address, verified: true } };
  };

  test('of somebody new it is theirs, and another one is somebody else’s', async () => {
    const [one, other] = [relayed(), relayed()];
    const { id, email } = await create(one);
    expect(email).toEqual(one.email);
    expect((await create(other)).id).not.toBe(id);
  });

  test('of an account here it links nothing without proof', async () => {
    const identity = relayed();
    const { id } = await createPerson(node, { email: identity.email.address });
    expect(await signIn(identity)).toEqual({ kind: 'link_required', accountId: id });
  });

  test.each([
    ['closed', [], undefined, 'sign_up_closed'],
    ['domains', ['example.org'], 'privaterelay.appleid.com', 'domain_not_allowed'],
    ['domains', ['privaterelay.appleid.com'], undefined, 'domain_not_allowed'],
  ] as const)('the policy binds it: %s %j', async (policy, domains, hostedDomain, reason) => {
    const guarded = startNode(database, { signUp: { policy, domains: [...domains] } });
    const outcome = await guarded.federation.signIn(relayed(hostedDomain && { hostedDomain }), {});
    expect(outcome).toEqual({ kind: 'refused', reason });
    await guarded.close();
  });
});

test('no address and no subject is in a log line or an audit row', async () => {
  const quiet = startNode(database);
  const identity = googleIdentity({
    subject: 'unmistakable-subject',
    email: { address: 'secret.person@x.test', verified: true },
  });
  const { id } = enteredAccount(await quiet.federation.signIn(identity, {}));
  await quiet.federation.signIn(identity, {});
  await quiet.federation.signIn({ ...identity, subject: 'unmistakable-subject-2' }, {});
  const rows = await database.prisma.auditEvent.findMany({ where: { userId: id } });
  expect(JSON.stringify([quiet.lines, rows])).not.toMatch(/unmistakable-subject|secret\.person/);
  await quiet.close();
});
