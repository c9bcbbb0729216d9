import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createAudit } from '../../src/audit/audit.ts';
import type { Database } from '../../src/platform/database/database.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { createKeyEncryption } from '../../src/signing-keys/envelope.ts';
import { KEY_LOCK } from '../../src/signing-keys/sealed-store.ts';
import { createSecretStore, type SecretStore } from '../../src/signing-keys/secret-store.ts';
import { openSecrets, type ServerSecrets } from '../../src/signing-keys/server-secrets.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { anotherNode } from './another-node.ts';

const BY = { actor: 'cli' };
const [older, newer] = [randomBytes(32), randomBytes(32)];
const keyEncryption = createKeyEncryption(older);
const policy = { propagation: 15, clockSkew: 60, rotationPeriod: 30 * 86_400, cookieLifetime: 14 * 86_400 };

let database: TestDatabase;
let second: Database;
let secrets: ServerSecrets;
let store: SecretStore;
let inUse: string[];
beforeAll(async () => {
  database = await openTestDatabase();
  second = await anotherNode(database);
});
afterAll(() => database.close());
beforeEach(async () => {
  await database.pool.query('DELETE FROM server_secrets');
  inUse = [];
  store = storeOn(database);
  secrets = await openSecrets({ database, keyEncryption });
});

function storeOn(where: Database, encryption = keyEncryption): SecretStore {
  const audit = createAudit({ database: where, logger: createLogger({ level: 'silent', production: true }) });
  return createSecretStore({
    database: where,
    keyEncryption: encryption,
    audit,
    policy,
    pepperIdsInUse: async () => inUse,
  });
}

/** As if everything that is there had happened so much earlier. */
async function pass(seconds: number): Promise<void> {
  const earlier = (column: string) => `${column} = ${column} - $1 * interval '1 second'`;
  const columns = ['created_at', 'current_since', 'retired_at'].map(earlier).join(', ');
  await database.pool.query(`UPDATE server_secrets SET ${columns}`, [seconds]);
}

async function versionNow(): Promise<number> {
  return (await database.pool.query<{ version: number }>('SELECT version FROM key_set_version')).rows[0]!.version;
}

async function eventsSince(version: string): Promise<string[]> {
  const { rows } = await database.pool.query<{ type: string }>(
    `SELECT type FROM audit_events WHERE type LIKE 'secret.%' AND id > $1 ORDER BY id`,
    [version],
  );
  return rows.map(({ type }) => type);
}

async function lastEvent(): Promise<string> {
  const { rows } = await database.pool.query<{ id: string }>('SELECT id FROM audit_events ORDER BY id DESC LIMIT 1');
  return rows[0]?.id ?? '00000000-0000-0000-0000-000000000000';
}

const statesOf = async (purpose: string) =>
  (await store.list())
    .filter((one) => one.purpose === purpose)
    .map(({ state }) => state)
    .sort();

describe('cookie keys', () => {
  test('the next one verifies everywhere before it signs anywhere, and the one before goes on to verify', async () => {
    const [first] = secrets.cookieKeys;
    await store.advance();
    expect(await secrets.reload()).toBe(true);
    const [, next] = secrets.cookieKeys;
    expect(secrets.cookieKeys).toEqual([first, next]);

    await pass(75);
    expect(await store.rotate({ purpose: 'cookie-signature' }, BY)).toMatchObject({ kind: 'rotated', early: false });
    await secrets.reload();
    expect(secrets.cookieKeys).toEqual([next, expect.any(String), first]);
    await pass(policy.cookieLifetime + 76);
    await store.advance();
    await secrets.reload();
    expect(secrets.cookieKeys).not.toContain(first);
  });

  test('rotate by themselves after their period', async () => {
    await store.advance();
    await pass(policy.rotationPeriod);
    expect(await store.advance()).toBe(true);
    expect(await statesOf('cookie-signature')).toEqual(['current', 'next', 'retired']);
    expect(await store.advance()).toBe(false);
  });
});

test('after an emergency no cookie of before is accepted, and none signed with a key that was there', async () => {
  await store.advance();
  await pass(75);
  await store.rotate({ purpose: 'cookie-signature' }, BY);
  await secrets.reload();
  const before = secrets.cookieKeys;
  const from = await lastEvent();
  expect(await store.rotate({ purpose: 'cookie-signature', emergency: true }, BY)).toMatchObject({
    kind: 'rotated',
    early: true,
  });
  await secrets.reload();
  expect(secrets.cookieKeys).toHaveLength(2);
  expect(secrets.cookieKeys.filter((key) => before.includes(key))).toEqual([]);
  expect((await eventsSince(from)).sort()).toEqual([
    ...['secret.deleted', 'secret.deleted', 'secret.deleted', 'secret.rotated', 'secret.staged'],
  ]);
  expect(await statesOf('cookie-signature')).toEqual(['current', 'next']);
  expect(await statesOf('dpop-nonce')).toEqual(['current', 'next']);
});

test('a reload finds nothing different when nothing is, and the DPoP nonce secret when it is', async () => {
  expect(await secrets.reload()).toBe(false);
  const before = secrets.dpopNonceSecrets[0];
  await store.rotate({ purpose: 'dpop-nonce', emergency: true }, BY);
  expect(secrets.dpopNonceSecrets[0]).toBe(before);
  expect(await secrets.reload()).toBe(true);
  expect(secrets.dpopNonceSecrets[0]).toHaveLength(32);
  expect(secrets.dpopNonceSecrets[0]).not.toEqual(before);
});

test('a pepper is found by its name while it is next, current and retired, until no password needs it', async () => {
  const { peppers } = secrets;
  const first = peppers.current;
  await store.advance();
  await secrets.reload();
  const next = (await store.list()).find(({ purpose, state }) => purpose === 'password-pepper' && state === 'next')!;
  expect(peppers.byId(next.id)).toHaveLength(32);

  await pass(75);
  inUse = [first.id];
  await store.rotate({ purpose: 'password-pepper' }, BY);
  await secrets.reload();
  expect(peppers.current.id).toBe(next.id);
  expect(peppers.byId(first.id)).toEqual(first.key);
  await pass(400 * 86_400);
  await store.advance();
  await secrets.reload();
  expect(peppers.byId(first.id)).toEqual(first.key);
  inUse = [];
  await store.advance();
  await secrets.reload();
  expect(peppers.byId(first.id)).toBeUndefined();
});

test('an order too early is refused, says when, and a hundred orders at once are one rotation', async () => {
  expect(await store.rotate({ purpose: 'cookie-signature' }, BY)).toMatchObject({
    reason: 'too_early',
    waitSeconds: 75,
  });
  await pass(75);
  const current = (await store.list()).find(
    ({ purpose, state }) => purpose === 'cookie-signature' && state === 'current',
  )!;
  const other = storeOn(second);
  const from = await lastEvent();
  const outcomes = await Promise.all(
    Array.from({ length: 100 }, (_, index) =>
      (index % 2 ? store : other).rotate({ purpose: 'cookie-signature', expectedCurrent: current.id }, BY),
    ),
  );
  expect(outcomes.filter(({ kind }) => kind === 'rotated')).toHaveLength(1);
  expect(outcomes.filter((outcome) => outcome.kind === 'refused' && outcome.reason === 'superseded')).toHaveLength(99);
  expect(await statesOf('cookie-signature')).toEqual(['current', 'next', 'retired']);
  expect(await eventsSince(from)).toEqual(['secret.rotated', 'secret.staged']);
}, 60_000);

test('orders at once that do not say what they saw make one rotation as well: the others are too early for a second', async () => {
  await store.advance();
  await pass(75);
  const other = storeOn(second);
  const outcomes = await Promise.all(
    Array.from({ length: 20 }, (_, index) => (index % 2 ? store : other).rotate({ purpose: 'password-pepper' }, BY)),
  );
  expect(outcomes.filter(({ kind }) => kind === 'rotated')).toHaveLength(1);
});

test('nodes that advance at once make one next one of each purpose', async () => {
  const other = storeOn(second);
  await Promise.all([store.advance(), other.advance(), store.advance(), other.advance()]);
  expect((await store.list()).filter(({ state }) => state === 'next')).toHaveLength(3);
});

test('each change counts the version up and tells this process; a look that changes nothing does neither', async () => {
  let told = 0;
  const stop = store.onChanged(() => {
    told += 1;
  });
  const version = await versionNow();
  await store.advance();
  await store.advance();
  expect([await versionNow(), told]).toEqual([version + 1, 1]);
  stop();
  await store.rotate({ purpose: 'dpop-nonce', emergency: true }, BY);
  expect([await versionNow(), told]).toEqual([version + 2, 1]);
});

test('who ordered it and why is recorded, and what happens by itself is the system', async () => {
  await store.advance();
  const { secret, before } = (await store.rotate({ purpose: 'dpop-nonce', emergency: true }, BY)) as Record<
    string,
    string
  >;
  const { rows } = await database.pool.query(
    `SELECT type, actor, details FROM audit_events WHERE details->>'secret' IN ($1, $2) ORDER BY id`,
    [secret, before],
  );
  expect(rows).toEqual([
    { type: 'secret.staged', actor: 'system', details: { secret, purpose: 'dpop-nonce' } },
    {
      type: 'secret.rotated',
      actor: 'cli',
      details: { secret, purpose: 'dpop-nonce', before, early: true, reason: 'order' },
    },
  ]);
});

test('the time until something is due is told', async () => {
  await store.advance();
  expect(Math.round((await store.nextTransitionIn()) / 60)).toBe(24 * 60);
  await pass(90_000);
  expect(await store.nextTransitionIn()).toBe(0);
});

describe('with several key-encryption keys', () => {
  test('a node reads what was sealed under each of them', async () => {
    const both = createKeyEncryption([newer, older]);
    const { key, id } = secrets.peppers.current;
    await storeOn(database, both).rotate({ purpose: 'password-pepper', emergency: true }, BY);
    const opened = await openSecrets({ database, keyEncryption: both });
    expect(opened.peppers.current.id).not.toBe(id);
    expect(opened.peppers.byId(id)).toEqual(key);
    expect(opened.csrfKey).toEqual(secrets.csrfKey);
  });

  test('a reload that lacks one says which, and everything stays as it was', async () => {
    const [both, before] = [createKeyEncryption([newer, older]), secrets.cookieKeys];
    await storeOn(database, both).rotate({ purpose: 'cookie-signature', emergency: true }, BY);
    await expect(secrets.reload()).rejects.toThrow(
      new RegExp(`missing: here is ${keyEncryption.kekId}.*${both.kekId}`),
    );
    expect(secrets.cookieKeys).toEqual(before);
  });
});

test('an order waits for whoever is changing keys, longer than other statements wait for a lock', async () => {
  if (database.kind !== 'postgresql') return;
  const client = await second.pool.connect();
  await client.query('BEGIN');
  await client.query('SELECT pg_advisory_xact_lock($1)', [KEY_LOCK]);
  const rotation = store.rotate({ purpose: 'dpop-nonce', emergency: true }, BY);
  await new Promise((resolve) => setTimeout(resolve, 900));
  await client.query('COMMIT');
  client.release();
  expect(await rotation).toMatchObject({ kind: 'rotated' });
});
