import { describe, expect, test } from '@jest/globals';
import type { FederatedIdentity } from '../../src/accounts/federation.ts';
import { endAccountAccess } from '../../src/provider/revocation.ts';
import { createUpstreamConnections } from '../../src/upstreams/connections.ts';
import type { TestDatabase } from '../support/database.ts';
import { HERE, useLinks } from './links.ts';
import { createPerson, PASSWORD, startNode, type TestNode } from './node.ts';

let database: TestDatabase;
let node: TestNode;
let person: { id: string; userName: string; email: string };
let identity: FederatedIdentity;
const { ask, complete, identities } = useLinks((world) => {
  ({ database, node, person, identity } = world);
});

describe('S-103 a link leads nowhere', () => {
  interface Case {
    link?: (link: string) => string;
    interaction?: string;
    browser?: string;
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
    ['S-095 in another browser', { browser: 'browser-of-a-victim', found: true }],
    ['S-095 without a browser', { browser: '', found: true }],
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
  ];
  test.each(cases)('%s', async (_what, { link, accountId, meanwhile, expected, found, ...elsewhere }) => {
    const real = await ask();
    await meanwhile?.(real);
    const before = await identities();
    const value = link?.(real) ?? real;
    if (!accountId) expect(await node.federation.findLink({ link: value, ...HERE, ...elsewhere })).toBeUndefined();
    const proven = accountId ? await accountId() : person.id;
    expect(await complete(value, { ...elsewhere, accountId: proven })).toEqual(expected ?? { kind: 'spent' });
    expect(await identities()).toEqual(before);
    // Whoever tries something else spends nothing.
    if (found) expect((await complete(real)).kind).toBe('linked');
  });
});

describe('S-100 a link ends with the connection that it came by', () => {
  const BY = { actor: 'cli' };
  let count = 0;

  /** A provider of its own, because connections remember what was done to them. */
  function newProvider() {
    count += 1;
    const provider = `closing-${count}`;
    const upstreams = [{ provider, displayName: provider }];
    const connections = createUpstreamConnections({ database, upstreams, audit: node.audit });
    return {
      askThere: () => ask(person.id, { ...identity, provider }),
      disable: () => connections.disable(provider, BY),
      enable: () => connections.enable(provider, BY),
    };
  }

  async function expectDead(link: string) {
    expect(await node.federation.findLink({ link, ...HERE })).toBeUndefined();
    expect(await complete(link)).toEqual({ kind: 'spent' });
    expect(await identities()).toEqual([]);
  }

  test('which was disabled', async () => {
    const { askThere, disable } = newProvider();
    const link = await askThere();
    expect(await disable()).toBe('done');
    await expectDead(link);
  });

  test('which was disabled and enabled again, once or several times', async () => {
    const { askThere, disable, enable } = newProvider();
    for (let round = 0; round < 3; round++) {
      const link = await askThere();
      expect([await disable(), await enable()]).toEqual(['done', 'done']);
      await expectDead(link);
    }
  });

  test('which was disabled when it was asked for, and enabled since', async () => {
    const { askThere, disable, enable } = newProvider();
    await disable();
    const link = await askThere();
    await enable();
    await expectDead(link);
  });

  test('and not with what changed nothing, or was before', async () => {
    const { askThere, disable, enable } = newProvider();
    await disable();
    await enable();
    const link = await askThere();
    expect(await enable()).toBe('unchanged');
    await newProvider().disable();
    expect(await node.federation.findLink({ link, ...HERE })).toBeDefined();
    expect((await complete(link)).kind).toBe('linked');
  });

  test('200 times at once with its completion: it is linked before, or not at all', async () => {
    for (let round = 0; round < 200; round++) {
      const { askThere, disable, enable } = newProvider();
      const link = await askThere();
      const closing = async () => {
        await disable();
        await enable();
      };
      const [outcome] = await Promise.all([complete(link), closing()]);
      expect(['linked', 'spent']).toContain(outcome.kind);
      expect(await identities()).toHaveLength(outcome.kind === 'linked' ? 1 : 0);
      await database.prisma.federatedIdentity.deleteMany({ where: { userId: person.id } });
    }
  }, 60_000);
});

describe('S-119 a link that waits for a new password', () => {
  const wait = (link: string, input: { interaction?: string; browser?: string; accountId?: string } = {}) =>
    node.federation.keepForNewPassword({ link, ...HERE, accountId: person.id, ...input });

  async function chooseNewPassword() {
    const { oneTimeLinks, close } = startNode(database, { endAccess: endAccountAccess });
    const { token } = await oneTimeLinks.createInvitation(person.id);
    const outcome = await oneTimeLinks.completeSetPassword(token, { password: `${PASSWORD} anew` }, {});
    expect(outcome.kind).toBe('changed');
    await close();
  }

  test('opens nothing until it is chosen, and goes on then', async () => {
    const sealedTokens = 'sealed';
    const asked = { identity, accountId: person.id, ...HERE, sealedTokens };
    const { link } = await node.federation.askForProof(asked);
    await wait(link);
    expect(await node.federation.findLink({ link, ...HERE })).toBeUndefined();
    expect(await identities()).toEqual([]);
    await chooseNewPassword();
    expect(await node.federation.findLink({ link, ...HERE })).toMatchObject({ account: { id: person.id } });
    const { provider, subject } = identity;
    expect(await complete(link)).toMatchObject({ kind: 'linked', waited: { provider, subject, sealedTokens } });
  });

  test('has ten minutes from there', async () => {
    const link = await ask();
    await database.pool.query(`UPDATE pending_links SET expires_at = now() + interval '1 minute' WHERE user_id = $1`, [
      person.id,
    ]);
    await wait(link);
    const { rows } = await database.pool.query<{ minutes: number }>(
      'SELECT round(extract(epoch FROM expires_at - now()) / 60)::int AS minutes FROM pending_links WHERE user_id = $1',
      [person.id],
    );
    expect(rows).toEqual([{ minutes: 10 }]);
  });

  test('is over when the password was set another time, or access ended for another reason', async () => {
    const link = await ask();
    await wait(link);
    await chooseNewPassword();
    await chooseNewPassword();
    expect(await node.federation.findLink({ link, ...HERE })).toBeUndefined();
    expect(await complete(link)).toEqual({ kind: 'spent' });
  });

  test.each<[string, (link: string) => Promise<unknown>]>([
    ['without being asked to', async () => {}],
    ['asked for another account', async (link) => wait(link, { accountId: (await createPerson(node)).id })],
    ['S-095 asked in another browser', (link) => wait(link, { browser: 'browser-of-a-victim' })],
    ['asked in another interaction', (link) => wait(link, { interaction: 'another-uid' })],
    [
      'asked after it expired',
      async (link) => {
        await database.prisma.pendingLink.updateMany({ where: { userId: person.id }, data: { expiresAt: new Date() } });
        await wait(link);
      },
    ],
    ['asked with something that is no link', () => wait('x')],
  ])('does not wait %s', async (_, request) => {
    const link = await ask();
    await request(link);
    await chooseNewPassword();
    expect(await complete(link)).toEqual({ kind: 'spent' });
  });
});
