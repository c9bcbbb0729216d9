import { beforeEach, describe, expect, test } from '@jest/globals';
import { bcryptScheme } from '../../src/accounts/passwords.ts';
import { endAccountAccess } from '../../src/provider/revocation.ts';
import type { TestDatabase } from '../support/database.ts';
import { createPerson, PASSWORD, recordedAbout, startNode, type TestNode, useNodes } from './node.ts';

const ADMINISTRATOR = { userName: 'admin', email: 'admin@example.com', name: 'Admin', password: PASSWORD };
const UNKNOWN = 'x'.repeat(43);

let database: TestDatabase;
let node: TestNode;
let otherNode: TestNode;
useNodes((nodes) => {
  ({ database, node, otherNode } = nodes);
});

/** A node on which something happens while a new password is hashed. */
function nodeDuringWhoseHash(happens: () => Promise<unknown>): TestNode {
  const bcryptThatWaits = {
    ...bcryptScheme(4),
    async hash(text: string) {
      await happens();
      return bcryptScheme(4).hash(text);
    },
  };
  return startNode(database, { passwords: { schemes: { bcrypt: bcryptThatWaits, argon2id: bcryptThatWaits } } });
}

describe('S-126 the setup link', () => {
  beforeEach(async () => {
    await database.prisma.oneTimeLink.deleteMany();
    await database.prisma.user.deleteMany();
  });

  const administrators = () => database.prisma.user.findMany({ where: { isAdministrator: true } });

  test('makes the first administrator, once', async () => {
    expect(await node.oneTimeLinks.isSetupNeeded()).toBe(true);
    const { token, expiresAt } = (await node.oneTimeLinks.createSetup())!;
    const hours = (expiresAt.getTime() - Date.now()) / 3_600_000;
    expect(Math.round(hours)).toBe(24);
    expect(await node.oneTimeLinks.find(token)).toEqual({ purpose: 'setup' });
    const outcome = await node.oneTimeLinks.completeSetup(token, ADMINISTRATOR, { address: '192.0.2.1' });
    expect(outcome).toMatchObject({ kind: 'created', account: { userName: 'admin', isAdministrator: true } });
    expect(await node.oneTimeLinks.isSetupNeeded()).toBe(false);
    expect(await node.signIn.withPassword({ login: 'admin', password: PASSWORD }, {})).toMatchObject({
      kind: 'signed_in',
    });
    expect(await node.oneTimeLinks.find(token)).toBeUndefined();
    const again = { ...ADMINISTRATOR, userName: 'eve', email: 'eve@example.com' };
    expect(await node.oneTimeLinks.completeSetup(token, again, {})).toEqual({ kind: 'spent' });
    expect(await node.oneTimeLinks.createSetup()).toBeUndefined();
    const [administrator] = await administrators();
    expect((await recordedAbout(database, administrator!.id)).map(({ type }) => type)).toContain(
      'administrator.created',
    );
  });

  test('used twenty times at once on two nodes makes exactly one administrator', async () => {
    const { token } = (await node.oneTimeLinks.createSetup())!;
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, number) =>
        (number % 2 ? node : otherNode).oneTimeLinks.completeSetup(
          token,
          { ...ADMINISTRATOR, userName: `admin${number}`, email: `admin${number}@example.com` },
          {},
        ),
      ),
    );
    expect(outcomes.filter(({ kind }) => kind === 'created')).toHaveLength(1);
    expect(outcomes.filter(({ kind }) => kind === 'spent')).toHaveLength(19);
    expect(await administrators()).toHaveLength(1);
    expect(await database.prisma.user.count()).toBe(1);
  });

  test('is void when an administrator is made elsewhere while the password is hashed', async () => {
    const slow = nodeDuringWhoseHash(() => createPerson(otherNode, { isAdministrator: true, password: undefined }));
    const { token } = (await slow.oneTimeLinks.createSetup())!;
    expect(await slow.oneTimeLinks.completeSetup(token, ADMINISTRATOR, {})).toEqual({ kind: 'spent' });
    expect(await administrators()).toHaveLength(1);
    expect(await node.accounts.findByLogin('admin')).toBeUndefined();
    await slow.close();
  });

  test('is void as soon as there is an administrator', async () => {
    const { token } = (await node.oneTimeLinks.createSetup())!;
    await createPerson(node, { isAdministrator: true });
    expect(await node.oneTimeLinks.find(token)).toBeUndefined();
    expect(await node.oneTimeLinks.completeSetup(token, ADMINISTRATOR, {})).toEqual({ kind: 'spent' });
    expect(await administrators()).toHaveLength(1);
  });

  const isGood = async (token: string) => (await node.oneTimeLinks.find(token)) !== undefined;

  test('that one node printed still works after another node started, and all end with the first that is used', async () => {
    const first = (await node.oneTimeLinks.createSetup())!;
    const second = (await otherNode.oneTimeLinks.createSetup())!;
    expect([await isGood(first.token), await isGood(second.token)]).toEqual([true, true]);
    expect(await otherNode.oneTimeLinks.completeSetup(first.token, ADMINISTRATOR, {})).toMatchObject({
      kind: 'created',
    });
    const again = { ...ADMINISTRATOR, userName: 'eve', email: 'eve@example.com' };
    expect(await node.oneTimeLinks.completeSetup(second.token, again, {})).toEqual({ kind: 'spent' });
    // Not even when the administrator is gone.
    await database.prisma.user.deleteMany();
    expect([await isGood(first.token), await isGood(second.token)]).toEqual([false, false]);
    expect(await node.oneTimeLinks.completeSetup(second.token, again, {})).toEqual({ kind: 'spent' });
  });

  test('used at once with the other ones makes exactly one administrator', async () => {
    const links = await Promise.all([node, otherNode, node].map(({ oneTimeLinks }) => oneTimeLinks.createSetup()));
    const outcomes = await Promise.all(
      links.map((link, number) =>
        (number % 2 ? node : otherNode).oneTimeLinks.completeSetup(
          link!.token,
          { ...ADMINISTRATOR, userName: `admin${number}`, email: `admin${number}@example.com` },
          {},
        ),
      ),
    );
    expect(outcomes.map(({ kind }) => kind).sort()).toEqual(['created', 'spent', 'spent']);
    expect(await administrators()).toHaveLength(1);
  });

  test('is one of five at most that work: the newest', async () => {
    const links: string[] = [];
    for (let start = 0; start < 7; start++) {
      links.push((await (start % 2 ? node : otherNode).oneTimeLinks.createSetup())!.token);
      // As if some time had passed.
      await database.pool.query(`UPDATE one_time_links SET created_at = created_at - interval '1 minute'`);
    }
    const found = await Promise.all(links.map(isGood));
    expect(found).toEqual([false, false, true, true, true, true, true]);
    const atOnce = await Promise.all(
      Array.from({ length: 8 }, (_, number) => (number % 2 ? node : otherNode).oneTimeLinks.createSetup()),
    );
    const good = await Promise.all([...links, ...atOnce.map((link) => link!.token)].map(isGood));
    expect(good.filter(Boolean)).toHaveLength(5);
  });

  test('is not spent by a refusal or a conflict, and costs no hash before it is known to be good', async () => {
    await createPerson(node, { userName: 'admin' });
    node.hashes.length = 0;
    const { token } = (await node.oneTimeLinks.createSetup())!;
    const complete = (input: Partial<typeof ADMINISTRATOR>, link: string = token) =>
      node.oneTimeLinks.completeSetup(link, { ...ADMINISTRATOR, ...input }, {});
    expect(await complete({}, UNKNOWN)).toEqual({ kind: 'spent' });
    expect(await complete({ password: 'short' })).toMatchObject({
      kind: 'refused',
      field: 'password',
      reason: 'too-short',
    });
    expect(await complete({ password: '' })).toMatchObject({ kind: 'refused', field: 'password', reason: 'missing' });
    expect(await complete({ userName: '', email: '' })).toMatchObject({
      kind: 'refused',
      field: 'userName',
      reason: 'missing',
    });
    expect(await complete({ email: 'a,b@example.com' })).toMatchObject({
      kind: 'refused',
      field: 'email',
      reason: 'invalid',
    });
    expect(node.hashes).toEqual([]);
    expect(await complete({})).toEqual({ kind: 'conflict', field: 'userName' });
    expect(await administrators()).toEqual([]);
    expect(await complete({ userName: 'chief' })).toMatchObject({ kind: 'created' });
  });

  test('ends after its time', async () => {
    const { token } = (await node.oneTimeLinks.createSetup())!;
    await database.pool.query(`UPDATE one_time_links SET expires_at = now() - interval '1 second'`);
    expect(await node.oneTimeLinks.find(token)).toBeUndefined();
    expect(await node.oneTimeLinks.completeSetup(token, ADMINISTRATOR, {})).toEqual({ kind: 'spent' });
  });
});

describe('an invitation to choose a password', () => {
  const NEXT = 'amber lantern over the river';

  test('S-125 sets the password, ends all access, forgets browsers and tells the person', async () => {
    const { id, email } = await createPerson(node, { password: undefined });
    const { token, expiresAt } = await node.oneTimeLinks.createInvitation(id, { actor: 'cli' });
    expect(Math.round((expiresAt.getTime() - Date.now()) / 86_400_000)).toBe(7);
    expect(await node.oneTimeLinks.find(token)).toMatchObject({ purpose: 'set_password', account: { id } });
    expect(await node.oneTimeLinks.completeSetPassword(token, { password: PASSWORD }, {})).toMatchObject({
      kind: 'changed',
      account: { id },
    });
    const signedIn = await node.signIn.withPassword({ login: email, password: PASSWORD }, {});
    expect(signedIn).toMatchObject({ kind: 'signed_in', mustChangePassword: false });
    await node.sessions.start({ uid: `invited-${id}`, userId: id, amr: ['pwd'] });

    const reset = await node.oneTimeLinks.createInvitation(id);
    node.ended.length = 0;
    await node.oneTimeLinks.completeSetPassword(reset.token, { password: NEXT }, {});
    expect(node.ended).toEqual([id]);
    expect(await node.sessions.list(id)).toEqual([]);
    expect(await database.prisma.knownDevice.count({ where: { userId: id } })).toBe(0);
    expect(await node.signIn.withPassword({ login: email, password: PASSWORD }, {})).toEqual({ kind: 'refused' });
    expect(await node.signIn.withPassword({ login: email, password: NEXT }, {})).toMatchObject({ kind: 'signed_in' });
    expect((await node.mailbox.list())[0]).toMatchObject({
      recipient: email,
      subject: 'Your Daemun password was changed',
    });
    expect((await recordedAbout(database, id)).map(({ type }) => type)).toEqual(
      expect.arrayContaining(['invitation.created', 'password.changed']),
    );
  });

  test('S-133 used twenty times at once on two nodes sets one password', async () => {
    const { id, email } = await createPerson(node, { password: undefined });
    const { token } = await node.oneTimeLinks.createInvitation(id);
    const passwords = Array.from({ length: 20 }, (_, number) => `amber lantern number ${number}`);
    const outcomes = await Promise.all(
      passwords.map((password, number) =>
        (number % 2 ? node : otherNode).oneTimeLinks.completeSetPassword(token, { password }, {}),
      ),
    );
    const winners = outcomes.flatMap(({ kind }, number) => (kind === 'changed' ? [number] : []));
    expect(winners).toHaveLength(1);
    expect(outcomes.filter(({ kind }) => kind === 'spent')).toHaveLength(19);
    const outcome = await node.signIn.withPassword({ login: email, password: passwords[winners[0]!]! }, {});
    expect(outcome).toMatchObject({ kind: 'signed_in' });
  });

  test('is not spent by a refused password, and then works', async () => {
    const { id } = await createPerson(node, { userName: 'fifteen.letters' });
    const { token } = await node.oneTimeLinks.createInvitation(id);
    for (const [password, reason] of [
      ['', 'missing'],
      ['short', 'too-short'],
      ['passwordpassword', 'common'],
      ['Fifteen.Letters', 'personal'],
    ] as const) {
      const outcome = await node.oneTimeLinks.completeSetPassword(token, { password }, {});
      expect(outcome).toMatchObject({ kind: 'refused', field: 'password', reason });
    }
    expect(await node.oneTimeLinks.completeSetPassword(token, { password: NEXT }, {})).toMatchObject({
      kind: 'changed',
    });
    expect(await node.oneTimeLinks.completeSetPassword(token, { password: NEXT }, {})).toEqual({ kind: 'spent' });
  });

  test('is void after a newer one, after its time, for somebody disabled, and as a setup link', async () => {
    const { id } = await createPerson(node);
    const spent = async (token: string) => {
      expect(await node.oneTimeLinks.find(token)).toBeUndefined();
      expect(await node.oneTimeLinks.completeSetPassword(token, { password: NEXT }, {})).toEqual({ kind: 'spent' });
    };
    const older = await node.oneTimeLinks.createInvitation(id);
    const newer = await node.oneTimeLinks.createInvitation(id);
    await spent(older.token);
    expect(await node.oneTimeLinks.completeSetup(newer.token, ADMINISTRATOR, {})).toEqual({ kind: 'spent' });
    await database.pool.query(`UPDATE one_time_links SET expires_at = now() - interval '1 second'`);
    await spent(newer.token);
    const last = await node.oneTimeLinks.createInvitation(id);
    await node.accounts.disable(id, {});
    await spent(last.token);
    await expect(node.oneTimeLinks.createInvitation(id)).rejects.toMatchObject({ code: 'not_found' });
  });

  test('does nothing for somebody who is disabled while the password is hashed', async () => {
    const { id, email } = await createPerson(node);
    const slow = nodeDuringWhoseHash(() => otherNode.accounts.disable(id, {}));
    const { token } = await slow.oneTimeLinks.createInvitation(id);
    expect(await slow.oneTimeLinks.completeSetPassword(token, { password: NEXT }, {})).toEqual({ kind: 'spent' });
    await node.accounts.enable(id, {});
    expect(await node.signIn.withPassword({ login: email, password: PASSWORD }, {})).toMatchObject({
      kind: 'signed_in',
    });
    await slow.close();
  });

  test('does not set the password when access cannot be ended, and is not spent', async () => {
    const { id, email } = await createPerson(node);
    const failing = startNode(database, { endAccess: () => Promise.reject(new Error('the store failed')) });
    const { token } = await failing.oneTimeLinks.createInvitation(id);
    await expect(failing.oneTimeLinks.completeSetPassword(token, { password: NEXT }, {})).rejects.toThrow(
      'store failed',
    );
    expect(await node.signIn.withPassword({ login: email, password: PASSWORD }, {})).toMatchObject({
      kind: 'signed_in',
    });
    expect(await node.oneTimeLinks.completeSetPassword(token, { password: NEXT }, {})).toMatchObject({
      kind: 'changed',
    });
    await failing.close();
  });

  test.each(['', 'x', UNKNOWN, 'x'.repeat(44), `${'x'.repeat(42)}/`, '\0', '../../etc/passwd'])(
    'with the token %j there is none',
    async (token) => {
      expect(await node.oneTimeLinks.find(token)).toBeUndefined();
      expect(await node.oneTimeLinks.completeSetPassword(token, { password: NEXT }, {})).toEqual({ kind: 'spent' });
      expect(await node.oneTimeLinks.completeSetup(token, ADMINISTRATOR, {})).toEqual({ kind: 'spent' });
    },
  );

  test('S-158 is not made for a password that was right before access ended', async () => {
    const { id, email } = await createPerson(node);
    const strict = startNode(database, { endAccess: endAccountAccess });
    const outcome = await strict.signIn.withPassword({ login: email, password: PASSWORD }, {});
    if (outcome.kind !== 'signed_in') throw new Error(outcome.kind);
    expect(await strict.oneTimeLinks.createInvitation(id, {}, outcome)).toMatchObject({ token: expect.any(String) });
    await strict.accounts.disable(id, {});
    await strict.accounts.enable(id, {});
    await expect(strict.oneTimeLinks.createInvitation(id, {}, outcome)).rejects.toMatchObject({ code: 'not_found' });
    await strict.close();
  });

  test('for nobody is not made', async () => {
    for (const id of ['x', '01890a5d-ac96-774b-bcce-b302099a8057']) {
      await expect(node.oneTimeLinks.createInvitation(id)).rejects.toMatchObject({ code: 'not_found' });
    }
  });

  test('S-070 is nowhere in the database', async () => {
    const { id } = await createPerson(node);
    const { token } = await node.oneTimeLinks.createInvitation(id);
    const { prisma } = database;
    const rows = [
      await prisma.oneTimeLink.findMany(),
      await prisma.auditEvent.findMany(),
      await prisma.mailMessage.findMany(),
    ];
    const hex = Buffer.from(token, 'base64url').toString('hex');
    const everything = JSON.stringify(rows, (_, value) =>
      value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value,
    );
    expect(everything).not.toContain(token);
    expect(everything).not.toContain(hex);
    expect(JSON.stringify(node.lines)).not.toContain(token);
  });
});
