import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, test } from '@jest/globals';
import type { SignInOutcome } from '../../src/accounts/sign-in.ts';
import { THROTTLE_POLICY } from '../../src/accounts/sign-in-throttle.ts';
import type { Database } from '../../src/platform/database/database.ts';
import type { TestDatabase } from '../support/database.ts';
import { createPerson, PASSWORD, PEPPER, startNode, type TestNode, useNodes } from './node.ts';

let database: TestDatabase;
let node: TestNode;
let otherDatabase: Database;
let otherNode: TestNode;
let person: Awaited<ReturnType<typeof createPerson>>;

useNodes((nodes) => {
  ({ database, node, otherDatabase, otherNode } = nodes);
});
beforeEach(async () => {
  await database.prisma.signInThrottle.deleteMany();
  person = await createPerson(node);
  node.hashes.length = 0;
  otherNode.hashes.length = 0;
});

const guess = (login: string, on = node, deviceToken?: string) =>
  on.signIn.withPassword({ login, password: 'some other password', deviceToken }, {});
const enter = (login: string, on = node, deviceToken?: string) =>
  on.signIn.withPassword({ login, password: PASSWORD, deviceToken }, {});

async function enterAndKeep(login: string, on = node, deviceToken?: string): Promise<string> {
  const outcome = await enter(login, on, deviceToken);
  if (outcome.kind !== 'signed_in') throw new Error(`not signed in: ${outcome.kind}`);
  return outcome.deviceToken;
}

const kindsOf = (outcomes: SignInOutcome[]) => outcomes.map(({ kind }) => kind);

/** Lets time pass for every counter. */
async function pass(seconds: number): Promise<void> {
  for (const table of ['sign_in_throttles', 'known_devices']) {
    await database.pool.query(`UPDATE ${table} SET blocked_until = blocked_until - $1 * interval '1 second'`, [
      seconds,
    ]);
  }
  await database.pool.query(`UPDATE sign_in_throttles SET last_failed_at = last_failed_at - $1 * interval '1 second'`, [
    seconds,
  ]);
}

/** As if so many failures had come before, slowly. */
async function failBefore(failures: number): Promise<void> {
  await pass(86_400);
  await database.pool.query('UPDATE sign_in_throttles SET failures = failures + $1', [failures]);
}

async function failuresOf(userId: string): Promise<number> {
  return (await database.prisma.signInThrottle.findFirst({ where: { userId } }))?.failures ?? 0;
}

describe('S-128 two hundred guesses at once, on two nodes', () => {
  async function guessTwoHundredTimes(nodes: [TestNode, TestNode]): Promise<SignInOutcome[]> {
    return Promise.all(Array.from({ length: 200 }, (_, number) => guess(person.email, nodes[number % 2])));
  }

  test('are five tries: the rest is told to wait and costs no hash', async () => {
    const outcomes = await guessTwoHundredTimes([node, otherNode]);
    expect(kindsOf(outcomes).filter((kind) => kind === 'refused')).toHaveLength(5);
    expect(kindsOf(outcomes).filter((kind) => kind === 'throttled')).toHaveLength(195);
    expect(node.hashes.length + otherNode.hashes.length).toBe(5);
    expect(await failuresOf(person.id)).toBe(5);
  });

  test('are two hundred failures where a policy lets them all through', async () => {
    const throttlePolicy = { ...THROTTLE_POLICY, freeTries: 1_000, mostFailures: 1_000 };
    const nodes = [node, otherNode].map((_, number) =>
      startNode(number === 0 ? database : otherDatabase, { signIn: { throttlePolicy } }),
    ) as [TestNode, TestNode];
    const outcomes = await guessTwoHundredTimes(nodes);
    expect(new Set(kindsOf(outcomes))).toEqual(new Set(['refused']));
    expect(await failuresOf(person.id)).toBe(200);
    for (const { close } of nodes) await close();
  });
});

describe.each([
  ['somebody known', () => person.email],
  ['a login that nobody has', () => 'nobody@example.com'],
])('S-122 guessing at %s', (_who, login) => {
  test('is delayed from the fifth failure on, twice as long each time, up to 15 minutes', async () => {
    const delays: number[] = [];
    for (let failure = 1; failure <= 10; failure++) {
      expect(await guess(login())).toEqual({ kind: 'refused' });
      if (failure < 5) continue;
      const outcome = await guess(login());
      if (outcome.kind !== 'throttled') throw new Error(`let through after ${failure} failures`);
      delays.push(outcome.retryAfter);
      await pass(outcome.retryAfter);
    }
    // The clock runs on while the test does.
    const expected = [60, 120, 240, 480, 900, 900];
    expect(delays).toHaveLength(expected.length);
    for (const [at, delay] of delays.entries()) {
      expect(delay).toBeLessThanOrEqual(expected[at]!);
      expect(delay).toBeGreaterThan(expected[at]! - 15);
    }
  });

  test('computes no hash while it is delayed, on any node', async () => {
    for (let failure = 1; failure <= 5; failure++) await guess(login());
    expect(node.hashes).toHaveLength(5);
    expect(kindsOf([await guess(login(), otherNode), await enter(login(), otherNode)])).toEqual([
      'throttled',
      'throttled',
    ]);
    expect(otherNode.hashes).toEqual([]);
  });

  test('locks no row while it is delayed: whoever stands in line behind guesses waits for no disk', async () => {
    // A row that is only locked has another xmax.
    const rows = async () =>
      (await database.pool.query('SELECT failures, blocked_until, xmin::text, xmax::text FROM sign_in_throttles')).rows;
    for (let failure = 1; failure <= 5; failure++) await guess(login());
    const before = await rows();
    expect(before).toHaveLength(1);
    expect(await guess(login())).toMatchObject({ kind: 'throttled' });
    expect(await guess(login(), otherNode)).toMatchObject({ kind: 'throttled' });
    expect(await rows()).toEqual(before);
  });

  test('is not delayed when the failures are more than a minute apart', async () => {
    for (let failure = 1; failure <= 12; failure++) {
      expect(await guess(login())).toEqual({ kind: 'refused' });
      await pass(61);
    }
  });

  test('begins with a short delay again after a quiet hour', async () => {
    for (let failure = 1; failure <= 8; failure++) {
      await guess(login());
      await pass(1_000);
    }
    await pass(3_601);
    for (let failure = 1; failure <= 5; failure++) expect(await guess(login())).toEqual({ kind: 'refused' });
    const outcome = await guess(login());
    expect(outcome.kind === 'throttled' && outcome.retryAfter).toBeLessThanOrEqual(60);
  });

  test('ends after 80 failures in a row, however slow', async () => {
    await guess(login());
    await failBefore(78);
    expect(await guess(login())).toEqual({ kind: 'refused' });
    await pass(86_400);
    node.hashes.length = 0;
    expect(await guess(login())).toEqual({ kind: 'throttled', retryAfter: 900 });
    await pass(86_400 * 365);
    expect(await enter(login())).toEqual({ kind: 'throttled', retryAfter: 900 });
    expect(node.hashes).toEqual([]);
  });
});

describe('S-175 a block is one row, however many tries it refuses', () => {
  const blocks = async (userId: string | null) =>
    (
      await database.prisma.auditEvent.findMany({
        where: { type: 'sign_in.throttled', userId },
        orderBy: { at: 'asc' },
      })
    ).map(({ details }) => details as { limit: string; retryAfter: number });

  test.each([
    ['somebody known', () => person.email, () => person.id],
    ['a login that nobody has', () => 'nobody-at-all@example.com', () => null],
  ])('of %s, on two nodes at once; the next block is the next row', async (_who, login, userId) => {
    const before = (await blocks(userId())).length;
    const guessMany = () => Promise.all(Array.from({ length: 40 }, (_, n) => guess(login(), n % 2 ? node : otherNode)));
    await guessMany();
    await guess(login());
    expect((await blocks(userId())).slice(before)).toEqual([{ limit: 'account', retryAfter: expect.any(Number) }]);
    await pass(61);
    await guessMany();
    const [, second, ...more] = (await blocks(userId())).slice(before);
    expect(more).toEqual([]);
    expect(second!.retryAfter).toBeGreaterThan(60);
  });

  test('of a node that has just started as well', async () => {
    for (let failure = 1; failure <= 6; failure++) await guess(person.email);
    const next = startNode(otherDatabase);
    expect(await guess(person.email, next)).toMatchObject({ kind: 'throttled' });
    await next.close();
    expect(next.lines.filter(({ msg }) => msg === 'sign_in.throttled')).toEqual([]);
    expect(await blocks(person.id)).toHaveLength(1);
  });

  test('of a known browser beside that of strangers', async () => {
    const device = await enterAndKeep(person.email);
    for (let failure = 1; failure <= 8; failure++) {
      await guess(person.email, node, device);
      await guess(person.email);
    }
    expect((await blocks(person.id)).map(({ limit }) => limit).sort()).toEqual(['account', 'device']);
  });

  test('of a lock for good, also where it is a known browser’s', async () => {
    const device = await enterAndKeep(person.email);
    await guess(person.email);
    await failBefore(99);
    for (let day = 1; day <= 3; day++) {
      for (let time = 1; time <= 3; time++) {
        expect(await guess(person.email)).toMatchObject({ kind: 'throttled' });
        expect(await guess(person.email, otherNode, device)).toMatchObject({ kind: 'throttled' });
      }
      await database.pool.query(`UPDATE known_devices SET blocked_until = blocked_until - interval '1 day'`);
    }
    expect((await blocks(person.id)).map(({ limit }) => limit).sort()).toEqual(['account', 'device']);
  });
});

describe('a password whose pepper this node does not know', () => {
  const other = { id: 'pepper-2', key: Buffer.alloc(32, 2) };
  beforeEach(async () => {
    const where = { userId: person.id };
    await database.prisma.passwordCredential.update({ where, data: { pepperId: other.id } });
  });

  test('uses up no try, however often', async () => {
    for (let attempt = 1; attempt <= 6; attempt++) {
      await expect(guess(person.email)).rejects.toMatchObject({ code: 'unavailable' });
    }
    expect(await failuresOf(person.id)).toBe(0);
    expect(node.hashes).toEqual([]);
  });

  test('uses up one when the pepper is found after all', async () => {
    const known = new Map([[PEPPER.id, PEPPER.key]]);
    const peppers = { current: PEPPER, byId: (id: string) => known.get(id), ids: () => [...known.keys()] };
    const reloadPeppers = async () => known.set(other.id, other.key);
    const reading = startNode(database, { passwords: { peppers, reloadPeppers } });
    expect(await guess(person.email, reading)).toEqual({ kind: 'refused' });
    expect(await failuresOf(person.id)).toBe(1);
    await reading.close();
  });
});

describe('S-129 one counter', () => {
  test('counts every spelling of every login of a person', async () => {
    const spellings = [person.userName, person.email, person.userName.toUpperCase(), ` ${person.email.toUpperCase()}`];
    for (const login of [...spellings, person.email.replace('@', '＠')]) {
      expect(await guess(login)).toEqual({ kind: 'refused' });
    }
    for (const login of spellings) expect(await guess(login)).toMatchObject({ kind: 'throttled' });
  });

  test('counts every spelling of a login that nobody has, and no other login', async () => {
    for (const login of ['Café', 'CAFÉ', 'cafe\u0301', ' café', 'ＣＡＦÉ'])
      expect(await guess(login)).toEqual({ kind: 'refused' });
    expect(await guess('café')).toMatchObject({ kind: 'throttled' });
    expect(await guess('cafe')).toEqual({ kind: 'refused' });
  });
});

describe('S-130 every path that checks a password counts on the account’s own counter', () => {
  /** Today there is one. A second one, such as changing the password with the current one, belongs here with the same counter. */
  const paths: [string, (login: string, password: string) => Promise<unknown>][] = [
    ['signing in', (login, password) => node.signIn.withPassword({ login, password }, {})],
  ];

  test.each(paths)('%s', async (_name, check) => {
    const failures = async () =>
      (await database.prisma.signInThrottle.findMany({ where: { userId: person.id } })).map((row) => row.failures);
    await check(person.email, 'some other password');
    expect(await failures()).toEqual([1]);
    await check(person.userName, 'yet another password');
    expect(await failures()).toEqual([2]);
  });

  test('and no other place in the product checks one', () => {
    const folder = fileURLToPath(new URL('../../src', import.meta.url));
    const callers = readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .map((path) => path.replaceAll('\\', '/'))
      .filter((path) => path.endsWith('.ts') && !path.startsWith('generated/'))
      .filter((path) =>
        /\bpasswords\.verify\(|\bverify\b[^;=]*\} = (?:\w+\.)?passwords\b/.test(
          readFileSync(join(folder, path), 'utf8'),
        ),
      );
    expect(callers).toEqual(['accounts/sign-in.ts']);
  });
});

test('a success forgets the failures before it', async () => {
  for (let failure = 1; failure <= 4; failure++) await guess(person.email);
  await enterAndKeep(person.email);
  expect(await failuresOf(person.id)).toBe(0);
  for (let failure = 1; failure <= 4; failure++) expect(await guess(person.email)).toEqual({ kind: 'refused' });
});

describe('S-131 a browser that its owner signed in with before', () => {
  test('still lets the owner in while strangers are kept out, and ends their lock', async () => {
    const device = await enterAndKeep(person.email);
    await guess(person.email);
    await failBefore(79);
    expect(await enter(person.email, otherNode)).toMatchObject({ kind: 'throttled' });
    expect(await enter(person.email, otherNode, device)).toMatchObject({ kind: 'signed_in', deviceToken: device });
    expect(await enter(person.email)).toMatchObject({ kind: 'signed_in' });
  });

  test('has a delay of its own that strangers do not feel', async () => {
    const device = await enterAndKeep(person.email);
    const guesses = await Promise.all(Array.from({ length: 30 }, () => guess(person.email, node, device)));
    expect(kindsOf(guesses).filter((kind) => kind === 'refused')).toHaveLength(5);
    expect(await enter(person.email, node, device)).toMatchObject({ kind: 'throttled' });
    expect(await enter(person.email)).toMatchObject({ kind: 'signed_in' });
  });

  test('is forgotten half a year after its last use', async () => {
    const device = await enterAndKeep(person.email);
    await database.pool.query(`UPDATE known_devices SET last_used_at = now() - interval '181 days'`);
    for (let failure = 1; failure <= 5; failure++) await guess(person.email);
    expect(await enter(person.email, node, device)).toMatchObject({ kind: 'throttled' });
  });

  test('is nobody else’s: the token of one person does nothing for another', async () => {
    const stranger = await createPerson(node);
    const device = await enterAndKeep(stranger.email);
    for (let failure = 1; failure <= 5; failure++) await guess(person.email);
    expect(await enter(person.email, node, device)).toMatchObject({ kind: 'throttled' });
  });
});

describe('S-127 a hundred failures in a row', () => {
  async function failAHundredTimes(): Promise<string> {
    const device = await enterAndKeep(person.email);
    await guess(person.email);
    await failBefore(79);
    expect(await guess(person.email)).toMatchObject({ kind: 'throttled' });
    for (let failure = 81; failure <= 100; failure++) {
      expect(await guess(person.email, node, device)).toEqual({ kind: 'refused' });
      await pass(900);
    }
    return device;
  }

  test('are the last, also from known browsers, until the password is set anew', async () => {
    const device = await failAHundredTimes();
    node.hashes.length = 0;
    expect(await guess(person.email, node, device)).toEqual({ kind: 'throttled', retryAfter: 900 });
    expect(await enter(person.email, node, device)).toEqual({ kind: 'throttled', retryAfter: 900 });
    expect(await enter(person.email)).toEqual({ kind: 'throttled', retryAfter: 900 });
    expect(node.hashes).toEqual([]);
    expect(await failuresOf(person.id)).toBe(100);

    const { token } = await node.oneTimeLinks.createInvitation(person.id);
    await node.oneTimeLinks.completeSetPassword(token, { password: PASSWORD }, {});
    expect(await enter(person.email)).toMatchObject({ kind: 'signed_in' });
  });
});

test('failures of a login that nobody has are forgotten after a day, those of a person are not', async () => {
  await guess('nobody@example.com');
  await guess(person.email);
  expect(await node.signIn.forgetStrangers()).toBe(0);
  await pass(86_401);
  await guess('somebody-else@example.com');
  expect(await node.signIn.forgetStrangers()).toBe(1);
  expect(await database.prisma.signInThrottle.count()).toBe(2);
  expect(await failuresOf(person.id)).toBe(1);
});

test('a login that nobody has is not kept, not even as a plain digest', async () => {
  const rows = async () => JSON.stringify(await database.prisma.signInThrottle.findMany());
  await guess('secret-typed-as-a-name');
  const first = await rows();
  await database.prisma.signInThrottle.deleteMany();
  const key = Buffer.alloc(32, 9);
  const other = startNode(database, {
    passwords: { peppers: { current: { id: 'p', key }, byId: () => key, ids: () => ['p'] } },
  });
  await guess('secret-typed-as-a-name', other);
  const keyOf = (text: string) => JSON.parse(text)[0].key;
  expect(keyOf(await rows())).not.toEqual(keyOf(first));
  await other.close();
});
