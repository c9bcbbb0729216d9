import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Audit, createAudit } from '../../src/audit/audit.ts';
import type { Database } from '../../src/platform/database/database.ts';
import { explainFailure } from '../../src/platform/explain-failure.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { createKeyEncryption } from '../../src/signing-keys/envelope.ts';
import type { KeyState } from '../../src/signing-keys/key-record.ts';
import { createKeyStore, type KeyStore, type KeyStoreOptions } from '../../src/signing-keys/key-store.ts';
import { KEY_LOCK } from '../../src/signing-keys/sealed-store.ts';
import { DEFAULT_KEY_POLICY, retention, warmUp } from '../../src/signing-keys/timing.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { anotherNode } from './another-node.ts';

const policy = DEFAULT_KEY_POLICY;
const L = 3600;
const by = { actor: 'test' };
const keyEncryption = createKeyEncryption(randomBytes(32));
const logger = createLogger({ level: 'silent', production: true });

let database: TestDatabase;
let audits: Audit[];
let store: KeyStore;
beforeEach(async () => {
  database = await openTestDatabase();
  audits = [];
  store = storeOn(database);
});
afterEach(async () => {
  for (const audit of audits) await audit.close();
  await database.close();
});

function storeOn(node: Database, more: Partial<KeyStoreOptions> = {}): KeyStore {
  const audit = createAudit({ database: node, logger });
  audits.push(audit);
  return createKeyStore({
    ...{ database: node, keyEncryption, audit, policy, tokenLifetime: L, algorithms: ['ES256'], ...more },
  });
}

/** As if so many seconds had passed. */
async function age(seconds: number): Promise<void> {
  const times = ['created', 'published', 'activated', 'retired', 'archived', 'destroyed', 'revoked'];
  const sets = times.map((name) => `${name}_at = ${name}_at - make_interval(secs => ${seconds})`);
  await database.pool.query(`UPDATE signing_keys SET ${sets.join(', ')}`);
}

const count = async (state: KeyState) => (await store.list()).keys.filter((key) => key.state === state).length;
const only = async (state: KeyState) => (await store.list()).keys.find((key) => key.state === state)!;
const version = async () => (await store.read()).version;

async function auditedTypes(): Promise<string[]> {
  const { rows } = await database.pool.query<{ type: string }>(
    `SELECT type FROM audit_events WHERE type LIKE 'signing_key.%' ORDER BY at, id`,
  );
  return rows.map(({ type }) => type.replace('signing_key.', ''));
}

/** A key that signs and a warm spare. */
async function prepare(): Promise<void> {
  await store.advance();
  await store.advance();
  await age(warmUp(policy) + 1);
}

test('the first key signs at once, the second is published, and then there is nothing to do', async () => {
  expect(store.isDue(await store.read())).toBe(true);
  expect([await store.advance(), await store.advance(), await store.advance()]).toEqual([true, true, false]);
  const { keys, now } = await store.read();
  expect(keys.map(({ state }) => state).sort()).toEqual(['active', 'published']);
  for (const key of keys) {
    expect(key).toMatchObject({ hasPrivateHalf: true, tokenLifetime: L, held: false, activatedEarly: false });
    expect(key.publicJwk).toMatchObject({ kid: key.kid, alg: 'ES256', use: 'sig' });
    expect(Math.abs(now - key.publishedAt!)).toBeLessThan(60_000);
    expect(keyEncryption.open(key.sealed!, JSON.stringify(['signing_keys', key.kid, 'sig', 1]))).toBeInstanceOf(Buffer);
  }
  expect(await auditedTypes()).toEqual(['staged', 'published', 'activated', 'staged', 'published']);
});

test('a whole life, step by step, by the time of the database', async () => {
  await prepare();
  const [first, spare] = [await only('active'), await only('published')];
  await age(policy.rotationPeriod);
  await store.advance();
  expect((await only('active')).kid).toBe(spare.kid);
  expect(await only('retiring')).toMatchObject({ kid: first.kid, hasPrivateHalf: true });
  expect(await count('published')).toBe(1);
  await age(policy.propagation + policy.clockSkew);
  await store.advance();
  expect(await only('retiring')).toMatchObject({ kid: first.kid, hasPrivateHalf: false });
  const { rows } = await database.pool.query('SELECT private_key, wrapped_data_key FROM signing_keys WHERE kid = $1', [
    first.kid,
  ]);
  expect(rows).toEqual([{ private_key: null, wrapped_data_key: null }]);
  await age(retention(policy, L) - 100);
  expect(await store.advance()).toBe(false);
  await age(100);
  await store.advance();
  expect((await only('archived')).kid).toBe(first.kid);
  await age(policy.hintRetention);
  await store.advance();
  expect((await only('destroyed')).kid).toBe(first.kid);
  expect(await auditedTypes()).toEqual(
    expect.arrayContaining(['retired', 'activated', 'erased', 'archived', 'destroyed']),
  );
  expect(await version()).toBe(7);
});

test('K9 a hundred who order the same rotation on two nodes make one', async () => {
  await prepare();
  const { kid } = await only('active');
  const nodes = [store, storeOn(await anotherNode(database))];
  const before = await version();
  const orders = Array.from({ length: 100 }, (_, index) =>
    nodes[index % 2]!.rotate({ algorithm: 'ES256', expectedActive: kid, emergency: index % 3 === 0 }, by),
  );
  const outcomes = await Promise.all(orders);
  expect(outcomes.filter((outcome) => outcome.kind === 'rotated')).toHaveLength(1);
  const reasons = new Set(outcomes.flatMap((outcome) => (outcome.kind === 'refused' ? [outcome.reason] : [])));
  expect([...reasons]).toEqual(['superseded']);
  expect(await version()).toBe(before + 1);
  expect([await count('active'), await count('published'), await count('retiring')]).toEqual([1, 1, 1]);
});

test('two nodes that do the same at the same moment do it once, first start and later', async () => {
  const other = storeOn(await anotherNode(database));
  const both = () => Promise.all([store.advance(), other.advance()]);
  for (let round = 0; round < 2; round++) await both();
  // The second to come may have made the spare of the first.
  expect((await auditedTypes()).sort()).toEqual(['activated', 'published', 'published', 'staged', 'staged']);
  expect(await version()).toBe(3);
  await age(policy.rotationPeriod);
  for (let round = 0; round < 3; round++) await both();
  expect([await count('active'), await count('published'), await count('retiring')]).toEqual([1, 1, 1]);
  expect((await auditedTypes()).filter((type) => type === 'retired')).toHaveLength(1);
});

describe('a change is made again when', () => {
  test('somebody else counted the version up meanwhile', async () => {
    await prepare();
    const { kid } = await only('active');
    await database.pool.query(LOSE_FIRST_BUMP);
    try {
      expect(await store.revoke({ kid, reason: 'leaked' }, by)).toMatchObject({ kind: 'revoked' });
      const { rows } = await database.pool.query('SELECT last_value::int AS turns FROM bumps');
      expect(rows).toEqual([{ turns: 2 }]);
    } finally {
      await database.pool.query('DROP FUNCTION lose_bump CASCADE; DROP SEQUENCE bumps');
    }
    expect([await count('active'), await count('revoked'), await count('published')]).toEqual([1, 1, 1]);
    expect((await auditedTypes()).filter((type) => type === 'revoked')).toHaveLength(1);
  });

  /** As if a transaction that does not take the lock had been faster. A sequence counts on although its transaction is undone. */
  const LOSE_FIRST_BUMP = `
    CREATE SEQUENCE bumps;
    CREATE FUNCTION lose_bump() RETURNS trigger LANGUAGE plpgsql AS
      'BEGIN IF nextval(''bumps'') = 1 THEN RETURN NULL; END IF; RETURN NEW; END';
    CREATE TRIGGER lose_bump BEFORE UPDATE ON key_set_version FOR EACH ROW EXECUTE FUNCTION lose_bump()`;
});

describe('orders', () => {
  beforeEach(async () => {
    await store.advance();
    await store.advance();
  });

  test('too early is refused with the moment from which it is not, and changes nothing', async () => {
    const { kid } = await only('active');
    const { publishedAt } = await only('published');
    const before = await version();
    const outcome = await store.rotate({ algorithm: 'ES256', expectedActive: kid, emergency: false }, by);
    expect(outcome).toEqual({
      kind: 'refused',
      reason: 'too_early',
      notBefore: publishedAt! + 1000 * warmUp(policy),
    });
    expect(await version()).toBe(before);
  });

  test('an emergency takes the spare however young, and the record says so', async () => {
    const [active, spare] = [await only('active'), await only('published')];
    const outcome = await store.rotate({ algorithm: 'ES256', expectedActive: active.kid, emergency: true }, by);
    expect(outcome).toEqual({ kind: 'rotated', kid: spare.kid, early: true });
    expect(await only('active')).toMatchObject({ kid: spare.kid, activatedEarly: true });
    const { rows } = await database.pool.query(
      `SELECT actor, details FROM audit_events WHERE type = 'signing_key.activated' ORDER BY at DESC, id DESC LIMIT 1`,
    );
    expect(rows).toEqual([{ actor: 'test', details: { kid: spare.kid, algorithm: 'ES256', early: true } }]);
  });

  test('K7 a revoked key is gone for good, with its private half, and its successor signs', async () => {
    const [active, spare] = [await only('active'), await only('published')];
    const order = { kid: active.kid, reason: 'seen in a chat' };
    expect(await store.revoke(order, by)).toEqual({ kind: 'revoked', successor: spare.kid, early: true });
    expect(await store.revoke(order, by)).toEqual({ kind: 'unchanged' });
    expect(await only('revoked')).toMatchObject({
      kid: active.kid,
      hasPrivateHalf: false,
      revocationReason: 'seen in a chat',
    });
    expect([await count('active'), await count('published')]).toEqual([1, 1]);
    await age(10 * policy.rotationPeriod);
    await store.advance();
    expect((await only('revoked')).kid).toBe(active.kid);
    await expect(
      database.pool.query(`UPDATE signing_keys SET state = 'retiring' WHERE kid = $1`, [active.kid]),
    ).rejects.toThrow(/does not go from revoked/);
  });

  test('without a spare a revocation makes the successor itself', async () => {
    await store.revoke({ kid: (await only('published')).kid, reason: 'test' }, by);
    const [active, spare] = [await only('active'), await only('published')];
    expect(await store.revoke({ kid: active.kid, reason: 'test' }, by)).toMatchObject({ successor: spare.kid });
    expect(await store.revoke({ kid: 'nobody', reason: 'test' }, by)).toEqual({ kind: 'refused', reason: 'unknown' });
  });

  test('K14 a held key is not cleaned up until it is let go', async () => {
    const { kid } = await only('active');
    await store.rotate({ algorithm: 'ES256', expectedActive: kid, emergency: true }, by);
    expect(await store.hold(kid, true, by)).toBe('done');
    expect(await store.hold(kid, true, by)).toBe('unchanged');
    expect(await store.hold('nobody', true, by)).toBe('unknown');
    await age(retention(policy, L) + 1);
    await store.advance();
    expect((await only('retiring')).kid).toBe(kid);
    expect(await store.hold(kid, false, by)).toBe('done');
    await store.advance();
    expect((await only('archived')).kid).toBe(kid);
    expect((await auditedTypes()).filter((type) => ['held', 'released'].includes(type))).toEqual(['held', 'released']);
  });

  test('K5 a node whose tokens live longer says so before anything else, and a shorter life never takes it back', async () => {
    const longer = storeOn(await anotherNode(database), { tokenLifetime: 3 * L });
    expect(longer.isDue(await longer.read())).toBe(true);
    expect(await longer.advance()).toBe(true);
    const lifetimes = async () => (await store.read()).keys.map(({ tokenLifetime }) => tokenLifetime);
    expect(await lifetimes()).toEqual([3 * L, 3 * L]);
    expect(await store.advance()).toBe(false);
    const { kid } = await only('active');
    await store.rotate({ algorithm: 'ES256', expectedActive: kid, emergency: true }, by);
    await age(retention(policy, 3 * L) - 10);
    await store.advance();
    expect((await only('retiring')).kid).toBe(kid);
  });

  test('listeners hear of each change of their own process, and of nothing else', async () => {
    let heard = 0;
    const stop = store.onChanged(() => {
      heard += 1;
    });
    await store.advance();
    expect(heard).toBe(0);
    await store.rotate({ algorithm: 'ES256', expectedActive: (await only('active')).kid, emergency: true }, by);
    expect(heard).toBe(1);
    stop();
    await store.hold((await only('active')).kid, true, by);
    expect(heard).toBe(1);
  });
});

test('nothing is made with another key-encryption key than the one that everything is sealed under', async () => {
  await store.advance();
  const stranger = createKeyEncryption(randomBytes(32));
  const other = storeOn(database, { keyEncryption: stranger });
  await expect(other.advance()).rejects.toThrow(stranger.kekId);
  expect((await store.read()).keys).toHaveLength(1);
});

describe('a database that is not free', () => {
  test.each([
    ['a lock that is held', Object.assign(new Error('held'), { code: '55P03' })],
    ['a transaction that found no connection', Object.assign(new Error('no place'), { code: 'P2028' })],
    ['a statement that took too long', Object.assign(new Error('cancelled'), { code: '57014' })],
    ['an answer that did not come', new Error('Query read timeout')],
  ])('%s is told as unavailable, in words at a start, and changes nothing', async (_case, cause) => {
    await prepare();
    const before = await version();
    const failing = { ...database, prisma: { $transaction: () => Promise.reject(cause) } } as never;
    const failure = await storeOn(failing)
      .revoke({ kid: (await only('active')).kid, reason: 'test' }, by)
      .catch((error) => error);
    expect(failure).toMatchObject({ name: 'AppError', code: 'unavailable', status: 503, cause });
    expect(explainFailure(failure)).toMatch(/^The database did not answer in time/);
    expect(await version()).toBe(before);
  });

  test('whoever has the turn and keeps it is waited for, and not for ever', async () => {
    if (database.kind !== 'postgresql') return;
    await prepare();
    const holder = await database.pool.connect();
    await holder.query('SELECT pg_advisory_lock($1)', [KEY_LOCK]);
    await expect(store.hold((await only('active')).kid, true, by)).rejects.toMatchObject({ code: 'unavailable' });
    await holder.query('SELECT pg_advisory_unlock($1)', [KEY_LOCK]);
    holder.release();
    expect(await store.hold((await only('active')).kid, true, by)).toBe('done');
  }, 30_000);
});
