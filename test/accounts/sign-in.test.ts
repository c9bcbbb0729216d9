import { beforeEach, describe, expect, test } from '@jest/globals';
import bcrypt from 'bcrypt';
import { setPassword } from '../../src/accounts/password-credentials.store.ts';
import { bcryptScheme } from '../../src/accounts/passwords.ts';
import type { Database } from '../../src/platform/database/database.ts';
import { createRateLimiter } from '../../src/platform/rate-limiter.ts';
import type { TestDatabase } from '../support/database.ts';
import { createPerson, PASSWORD, recordedAbout, startNode, type TestNode, useNodes } from './node.ts';

let database: TestDatabase;
let node: TestNode;
let otherNode: TestNode;
let person: Awaited<ReturnType<typeof createPerson>>;

useNodes((nodes) => {
  ({ database, node, otherNode } = nodes);
});
beforeEach(async () => {
  person = await createPerson(node);
});

const by = { address: '192.0.2.1', requestId: 'request-1' };

/** The same database, writing down the name of each prepared statement. */
function watched(original: Database): { database: Database; statements: string[] } {
  const statements: string[] = [];
  const pool = new Proxy(original.pool, {
    get(target, property) {
      if (property !== 'query') return Reflect.get(target, property);
      return (config: { name?: string }) => {
        // Of several rows in one statement it is not known whose they are.
        if (config.name && !config.name.startsWith('audit.')) statements.push(config.name.replace(/\.\d+$/, ''));
        return target.query(config as never);
      };
    },
  });
  return { database: { ...original, pool }, statements };
}

test('a person signs in by user name or address, in any spelling', async () => {
  for (const login of [
    person.userName,
    person.email,
    ` ${person.userName.toUpperCase()} `,
    person.email.toUpperCase(),
  ]) {
    expect(await node.signIn.withPassword({ login, password: PASSWORD }, by)).toMatchObject({
      kind: 'signed_in',
      account: { id: person.id, userName: person.userName, email: { address: person.email, verified: false } },
      amr: ['pwd'],
      mustChangePassword: false,
    });
  }
});

test('a password that has to be changed still signs in, and the outcome says so', async () => {
  await database.prisma.passwordCredential.update({ where: { userId: person.id }, data: { mustChange: true } });
  const outcome = await node.signIn.withPassword({ login: person.email, password: PASSWORD }, by);
  expect(outcome).toMatchObject({ kind: 'signed_in', mustChangePassword: true });
});

describe('S-122 whoever is not let in costs the same and reads the same', () => {
  const cases: [string, (known: typeof person) => Promise<{ login: string; password: string }>][] = [
    ['a wrong password', async ({ userName }) => ({ login: userName, password: 'some other password' })],
    ['an unknown user name', async () => ({ login: 'nobody-at-all', password: PASSWORD })],
    ['an unknown address', async () => ({ login: 'nobody@example.com', password: PASSWORD })],
    ['no user name at all', async () => ({ login: '', password: PASSWORD })],
    ['no password', async ({ email }) => ({ login: email, password: '' })],
    ['a login that no database could keep', async () => ({ login: 'no\0body\ud800', password: PASSWORD })],
    ['a login longer than any', async () => ({ login: 'x'.repeat(10_000), password: PASSWORD })],
    [
      'somebody who never chose a password',
      async () => ({ login: (await createPerson(node, { password: undefined })).email, password: PASSWORD }),
    ],
    [
      'somebody whose password cannot be read any more',
      async ({ id, email }) => {
        await database.prisma.passwordCredential.update({
          where: { userId: id },
          data: { hash: '$0$of another time' },
        });
        return { login: email, password: PASSWORD };
      },
    ],
    [
      'somebody disabled, with a wrong password',
      async ({ id, email }) => {
        await node.accounts.disable(id, {});
        return { login: email, password: 'some other password' };
      },
    ],
    [
      'somebody deleted',
      async ({ id, email }) => {
        await node.accounts.delete(id, {});
        return { login: email, password: PASSWORD };
      },
    ],
  ];
  test.each(cases)('%s', async (_case, prepare) => {
    const attempt = await prepare(person);
    const { database: watchedDatabase, statements } = watched(database);
    const watchedNode = startNode(watchedDatabase);
    const outcome = await watchedNode.signIn.withPassword(attempt, by);
    await watchedNode.close();
    expect(outcome).toEqual({ kind: 'refused' });
    expect(watchedNode.hashes).toEqual(['compare $2b$04']);
    expect(statements).toEqual(['passwords.formats', 'sign_in.begin']);
  });
});

describe('states are told only to whoever knows the password', () => {
  test('S-158 a disabled person with the right password', async () => {
    await node.accounts.disable(person.id, {});
    expect(await node.signIn.withPassword({ login: person.email, password: PASSWORD }, by)).toEqual({
      kind: 'disabled',
    });
    await node.accounts.enable(person.id, {});
    expect(await node.signIn.withPassword({ login: person.email, password: PASSWORD }, by)).toMatchObject({
      kind: 'signed_in',
    });
  });

  /** A node on which something happens while the hash is computed. */
  function nodeDuringWhoseHash(happens: () => Promise<unknown>): TestNode {
    const bcryptThatWaits = {
      ...bcryptScheme(4),
      async compare(text: string, hash: string) {
        await happens();
        return bcryptScheme(4).compare(text, hash);
      },
    };
    return startNode(database, { passwords: { schemes: { bcrypt: bcryptThatWaits, argon2id: bcryptThatWaits } } });
  }

  test('S-158 a person who is disabled while the password is checked', async () => {
    const slow = nodeDuringWhoseHash(() => node.accounts.disable(person.id, {}));
    expect(await slow.signIn.withPassword({ login: person.email, password: PASSWORD }, by)).toEqual({
      kind: 'disabled',
    });
    expect(await database.prisma.knownDevice.count({ where: { userId: person.id } })).toBe(0);
    await slow.close();
  });

  test('a password that is replaced while it is checked does not let in', async () => {
    const next = await node.passwords.hash('another harbour entirely');
    const slow = nodeDuringWhoseHash(() => database.prisma.$transaction((tx) => setPassword(tx, person.id, next)));
    expect(await slow.signIn.withPassword({ login: person.email, password: PASSWORD }, by)).toEqual({
      kind: 'refused',
    });
    await slow.close();
  });
});

describe('S-123 when too many hashes wait', () => {
  test.each([
    ['somebody known', () => person.email],
    ['somebody unknown', () => 'nobody@example.com'],
  ])('%s is told so at once, and no try is counted', async (_case, login) => {
    const queue = {
      reserve: () => ({ kind: 'busy', retryAfter: 2 }) as const,
      statistics: () => ({ taken: 0, running: 0 }),
    };
    const busy = startNode(database, { passwords: { queue } });
    const tries = await database.prisma.signInThrottle.count();
    const outcome = await busy.signIn.withPassword({ login: login(), password: PASSWORD }, by);
    expect(outcome).toEqual({ kind: 'busy', retryAfter: 2 });
    expect(await database.prisma.signInThrottle.count()).toBe(tries);
    expect(busy.hashes).toEqual([]);
    await busy.close();
  });
});

test('S-063 whoever stands in line for a database that does not answer hears so together with the first', async () => {
  const asked: ((error: Error) => void)[] = [];
  const pool = new Proxy(database.pool, {
    get: (target, property) =>
      property === 'query'
        ? (config: { name?: string }) =>
            config.name?.startsWith('sign_in.begin')
              ? new Promise((_, reject) => asked.push(reject))
              : target.query(config as never)
        : Reflect.get(target, property),
  });
  const { signIn, close } = startNode({ ...database, pool });
  const tries = [1, 2, 3].map(() => signIn.withPassword({ login: person.email, password: PASSWORD }, by));
  while (asked.length === 0) await new Promise((resolve) => setImmediate(resolve));
  asked[0]!(new Error('Query read timeout'));
  const unavailable = { status: 'rejected', reason: { message: 'Query read timeout' } };
  expect(await Promise.allSettled(tries)).toMatchObject([unavailable, unavailable, unavailable]);
  expect(asked).toHaveLength(1);
  await close();
});

describe('S-124 an outdated hash', () => {
  const stored = () => database.prisma.passwordCredential.findUniqueOrThrow({ where: { userId: person.id } });

  async function keepImported(hash: string): Promise<void> {
    const data = { hash, pepperId: 'none' };
    await database.prisma.passwordCredential.update({ where: { userId: person.id }, data });
  }

  test('is replaced once, even when two sign-ins race on two nodes', async () => {
    await keepImported(bcrypt.hashSync(PASSWORD, 4).replace('$2b$', '$2y$'));
    const attempt = { login: person.email, password: PASSWORD };
    const outcomes = await Promise.all([node, otherNode].map(({ signIn }) => signIn.withPassword(attempt, by)));
    expect(outcomes.map(({ kind }) => kind)).toEqual(['signed_in', 'signed_in']);
    expect(node.passwords.isOutdated(await stored())).toBe(false);
    const upgrades = (await recordedAbout(database, person.id)).filter(({ type }) => type === 'password.hash_upgraded');
    expect(upgrades).toEqual([{ type: 'password.hash_upgraded', details: { from: '$2y$04', to: '$2b$04' } }]);
    expect(await node.signIn.withPassword(attempt, by)).toMatchObject({ kind: 'signed_in' });
  });

  test('is replaced by the whole password, beyond the 72 bytes that the old one knew', async () => {
    const long = 'violet harbour '.repeat(6);
    await keepImported(bcrypt.hashSync(long, 4));
    expect(await node.signIn.withPassword({ login: person.email, password: long }, by)).toMatchObject({
      kind: 'signed_in',
    });
    const cut = { login: person.email, password: `${long.slice(0, 72)}else` };
    expect(await node.signIn.withPassword(cut, by)).toEqual({ kind: 'refused' });
  });

  test('changes its scheme and its cost at the next sign-in', async () => {
    const argon = startNode(database, { passwords: { hash: 'argon2id' } });
    const dearer = startNode(database, { passwords: { bcryptCost: 5 } });
    const formats: string[] = [];
    for (const { signIn, close } of [argon, dearer]) {
      await signIn.withPassword({ login: person.email, password: PASSWORD }, by);
      formats.push((await stored()).hash.slice(0, 9));
      await close();
    }
    expect(formats).toEqual(['$argon2id', expect.stringMatching(/^\$2b\$05\$/)]);
  });

  test('that cannot be replaced does not keep anybody out', async () => {
    await keepImported(bcrypt.hashSync(PASSWORD, 4));
    const broken = {
      ...bcryptScheme(4),
      hash: () => Promise.reject(new Error('no memory')),
    };
    const failing = startNode(database, { passwords: { schemes: { bcrypt: broken, argon2id: broken } } });
    const outcome = await failing.signIn.withPassword({ login: person.email, password: PASSWORD }, by);
    expect(outcome).toMatchObject({ kind: 'signed_in' });
    expect(failing.lines).toContainEqual(expect.objectContaining({ level: 'warn', userId: person.id }));
    await failing.close();
  });
});

describe('S-132 one address', () => {
  async function countThrottled(): Promise<number> {
    const { rows } = await database.pool.query(
      `SELECT count(*)::int AS count FROM audit_events WHERE type = 'sign_in.throttled'`,
    );
    return rows[0].count;
  }

  function limitedNode() {
    const { database: watchedDatabase, statements } = watched(database);
    const blocked: object[] = [];
    const limited = startNode(watchedDatabase, {
      signIn: {
        addressLimit: createRateLimiter({ points: 2, seconds: 60 }),
        observations: { signInBlocked: (of) => void blocked.push(of) },
      },
    });
    return { limited, statements, blocked };
  }

  test('that asks too often is told to wait, before anything is looked up', async () => {
    const { limited, statements, blocked } = limitedNode();
    const attempt = { login: person.email, password: PASSWORD };
    const recorded = await countThrottled();
    await limited.signIn.withPassword(attempt, by);
    await limited.signIn.withPassword(attempt, by);
    const before = statements.length;
    const outcomes = [await limited.signIn.withPassword(attempt, by), await limited.signIn.withPassword(attempt, by)];
    expect(outcomes).toEqual([
      expect.objectContaining({ kind: 'throttled' }),
      expect.objectContaining({ kind: 'throttled' }),
    ]);
    expect(statements).toHaveLength(before);
    await limited.close();
    expect(await countThrottled()).toBe(recorded + 1);
    expect(blocked).toEqual([{ limit: 'address' }, { limit: 'address' }]);
  });

  test('is one IPv6 network of 64 bits, and not its neighbour', async () => {
    const { limited } = limitedNode();
    const attempt = { login: person.email, password: PASSWORD };
    const kinds = [];
    for (const address of [
      '2001:db8:1:2:0:0:0:1',
      '2001:db8:1:2:ffff:0:0:9',
      '2001:db8:1:2:0:0:0:3',
      '2001:db8:1:3:0:0:0:1',
    ]) {
      kinds.push((await limited.signIn.withPassword(attempt, { address })).kind);
    }
    expect(kinds).toEqual(['signed_in', 'signed_in', 'throttled', 'signed_in']);
    await limited.close();
  });
});

test('S-175 sign-ins are recorded without what was typed', async () => {
  const quiet = startNode(database);
  const typed = 'my-secret-typed-into-the-wrong-field';
  await quiet.signIn.withPassword({ login: typed, password: typed }, by);
  await quiet.signIn.withPassword({ login: person.email, password: typed }, by);
  await quiet.signIn.withPassword({ login: person.email, password: PASSWORD }, by);
  await quiet.close();
  expect((await recordedAbout(database, person.id)).slice(1)).toEqual([
    { type: 'sign_in.failed', details: { reason: 'wrong_password' } },
    { type: 'sign_in.succeeded', details: { amr: ['pwd'], knownDevice: false } },
  ]);
  const everything = JSON.stringify([await database.prisma.auditEvent.findMany(), quiet.lines]);
  expect(everything).toContain('unknown_user');
  for (const secret of [typed, PASSWORD]) expect(everything).not.toContain(secret);
});

test('S-175 a sign-in that cannot be recorded does not happen', async () => {
  const { id, email } = person;
  await database.pool.query(
    `ALTER TABLE audit_events ADD CONSTRAINT unrecordable CHECK (user_id <> '${id}' OR type <> 'sign_in.succeeded') NOT VALID`,
  );
  await expect(node.signIn.withPassword({ login: email, password: PASSWORD }, by)).rejects.toMatchObject({
    code: '23514',
  });
  expect(await database.prisma.knownDevice.count({ where: { userId: id } })).toBe(0);
  await database.pool.query('ALTER TABLE audit_events DROP CONSTRAINT unrecordable');
  expect(await node.signIn.withPassword({ login: email, password: PASSWORD }, by)).toMatchObject({ kind: 'signed_in' });
});

test('S-175 a refused sign-in that cannot be recorded is not answered as one', async () => {
  const forgetful = startNode(database);
  await forgetful.audit.close();
  const attempt = { login: person.email, password: 'not the password' };
  await expect(forgetful.signIn.withPassword(attempt, by)).rejects.toMatchObject({ code: 'unavailable' });
});
