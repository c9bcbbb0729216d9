import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { pepperIdsInUse } from '../../src/accounts/pepper-use.store.ts';
import { createKeyEncryption } from '../../src/signing-keys/envelope.ts';
import { createSecretStore, type SecretStore } from '../../src/signing-keys/secret-store.ts';
import { openSecrets, type ServerSecrets } from '../../src/signing-keys/server-secrets.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { PASSWORD, startNode, type TestNode } from './node.ts';

const keyEncryption = createKeyEncryption(randomBytes(32));
const policy = { propagation: 15, clockSkew: 60, rotationPeriod: 30 * 86_400, cookieLifetime: 14 * 86_400 };

let database: TestDatabase;
let node: TestNode;
let secrets: ServerSecrets;
let store: SecretStore;
beforeAll(async () => {
  database = await openTestDatabase();
  secrets = await openSecrets({ database, keyEncryption });
  node = startNode(database, { passwords: { peppers: secrets.peppers } });
  store = createSecretStore({ database, keyEncryption, audit: node.audit, policy, pepperIdsInUse });
});
afterAll(async () => {
  await node.close();
  await database.close();
});

async function createPerson(userName: string): Promise<string> {
  const created = await node.accounts.create({ userName, password: PASSWORD }, {});
  if (created.kind !== 'created') throw new Error(created.kind);
  return created.account.id;
}

async function pepperOf(userId: string): Promise<string> {
  const credential = await database.prisma.passwordCredential.findUniqueOrThrow({ where: { userId } });
  return credential.pepperId;
}

const signIn = (login: string) => node.signIn.withPassword({ login, password: PASSWORD }, {});

test('S-120 a pepper changes while people sign in: each gets the new one at the next sign-in, and the old one goes with the last', async () => {
  const [ada, bob] = [await createPerson('ada'), await createPerson('bob')];
  const { id: first } = secrets.peppers.current;
  await store.rotate({ purpose: 'password-pepper', emergency: true }, {});
  await secrets.reload();
  const { id: second } = secrets.peppers.current;
  expect(second).not.toBe(first);

  expect(await signIn('ada')).toMatchObject({ kind: 'signed_in' });
  expect([await pepperOf(ada), await pepperOf(bob)]).toEqual([second, first]);
  expect(await createPerson('eve').then(pepperOf)).toBe(second);

  // Long after, one password still needs it.
  await database.pool.query(`UPDATE server_secrets SET retired_at = retired_at - interval '1 year'`);
  await store.advance();
  await secrets.reload();
  expect(secrets.peppers.byId(first)).toHaveLength(32);
  expect(await signIn('bob')).toMatchObject({ kind: 'signed_in' });
  expect(await pepperOf(bob)).toBe(second);

  await store.advance();
  await secrets.reload();
  expect(secrets.peppers.byId(first)).toBeUndefined();
  expect(await signIn('ada')).toMatchObject({ kind: 'signed_in' });
  expect(await signIn('bob')).toMatchObject({ kind: 'signed_in' });
});

describe('S-120 a password under a pepper that this node has not read yet', () => {
  /** A node that reads when it is told to, or not at all. */
  async function nodeThatLagsBehind(reload?: 'reads' | 'cannot read'): Promise<{ behind: TestNode; reads(): number }> {
    const own = await openSecrets({ database, keyEncryption });
    let reads = 0;
    const behind = startNode(database, {
      passwords: {
        peppers: own.peppers,
        ...(reload && {
          async reloadPeppers() {
            reads += 1;
            if (reload === 'cannot read') throw new Error('no answer');
            await own.reload();
          },
        }),
      },
    });
    return { behind, reads: () => reads };
  }

  async function createPersonElsewhere(userName: string): Promise<string> {
    await store.rotate({ purpose: 'password-pepper', emergency: true }, {});
    await store.rotate({ purpose: 'password-pepper', emergency: true }, {});
    await secrets.reload();
    return createPerson(userName);
  }

  const attempt = { login: 'late', password: PASSWORD };

  async function tracesOf(userId: string) {
    const { rows } = await database.pool.query(
      `SELECT (SELECT count(*)::int FROM audit_events WHERE type LIKE 'sign_in.%' AND user_id = $1) AS audited,
        (SELECT count(*)::int FROM sign_in_throttles) AS counted`,
      [userId],
    );
    return rows[0];
  }

  test('is checked after one look at the database, for all who wait', async () => {
    const { behind, reads } = await nodeThatLagsBehind('reads');
    await createPersonElsewhere('late');
    const outcomes = await Promise.all([1, 2, 3].map(() => behind.signIn.withPassword(attempt, {})));
    expect(outcomes.map(({ kind }) => kind)).toEqual(['signed_in', 'signed_in', 'signed_in']);
    expect(reads()).toBeLessThanOrEqual(3);
    const before = reads();
    expect(await behind.signIn.withPassword({ ...attempt, password: 'not this one at all' }, {})).toEqual({
      kind: 'refused',
    });
    expect(reads()).toBe(before);
    await behind.close();
  });

  test.each([
    ['and cannot read', 'cannot read'],
    ['and that is nowhere', undefined],
  ] as const)('%s is answered with unavailable, neither counted nor recorded as wrong', async (what, reload) => {
    const { behind } = await nodeThatLagsBehind(reload);
    const login = `late-${what.length}`;
    const userId = await createPersonElsewhere(login);
    const before = await tracesOf(userId);
    for (let round = 0; round < 12; round++) {
      await expect(behind.signIn.withPassword({ login, password: PASSWORD }, {})).rejects.toMatchObject({
        code: 'unavailable',
        status: 503,
        retryAfter: 5,
      });
    }
    await behind.close();
    expect(await tracesOf(userId)).toEqual(before);
    expect(await signIn(login)).toMatchObject({ kind: 'signed_in' });
  });
});
