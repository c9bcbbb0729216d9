import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { compactVerify } from 'jose';
import { createKeyEncryption } from '../../src/signing-keys/envelope.ts';
import type { SigningKeySet } from '../../src/signing-keys/key-set.ts';
import type { KeyStore } from '../../src/signing-keys/key-store.ts';
import { DEFAULT_KEY_POLICY, viewLifetime } from '../../src/signing-keys/timing.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { anotherNode } from './another-node.ts';
import { createNodes, rotateNow, signerOf } from './key-nodes.ts';

const by = { actor: 'test' };
const [KEK, OTHER_KEK] = [randomBytes(32), randomBytes(32)];
const keyEncryption = createKeyEncryption(KEK);
const LIFETIME = 1000 * viewLifetime(DEFAULT_KEY_POLICY);
const input = Buffer.from(`${Buffer.from('{"alg":"ES256"}').toString('base64url')}.dGV4dA`);

let database: TestDatabase;
let nodes: ReturnType<typeof createNodes>;
/** The clock of every node, which stands still. */
let clock = 0;
const now = () => clock;
beforeEach(async () => {
  database = await openTestDatabase();
  nodes = createNodes(keyEncryption);
});
afterEach(async () => {
  await nodes.close();
  await database.close();
});

const jwksOf = ({ keys }: SigningKeySet) => JSON.stringify(keys.map(({ publicJwk }) => publicJwk));
/** A store whose database can be out of reach, and that counts how often it was asked. */
function breakable(store: KeyStore) {
  const state = { broken: false, looks: 0 };
  const through = <Args extends unknown[], Result>(work: (...args: Args) => Promise<Result>) => {
    return async (...args: Args) => {
      state.looks += 1;
      if (state.broken) throw Object.assign(new Error('no way'), { code: 'ECONNREFUSED' });
      return work(...args);
    };
  };
  return { ...store, state, read: through(store.read), readVersion: through(store.readVersion) };
}

test('K4 what signs is in the set of its version, and what it signs verifies there', async () => {
  const view = await nodes.viewOn(database, await nodes.withSpares(database), { now });
  const set = view.current();
  expect(set.keys.map(({ algorithm }) => algorithm)).toEqual(['ES256', 'ES256', 'EdDSA', 'EdDSA']);
  expect(set.keys.filter(({ sign }) => sign)).toHaveLength(2);
  const { sign, publicJwk } = signerOf(set);
  const signature = sign(input);
  // Nothing that waits: a token costs what a signature costs.
  expect(Buffer.isBuffer(signature)).toBe(true);
  await compactVerify(`${input}.${(signature as Buffer).toString('base64url')}`, publicJwk);
});

test('all nodes publish the same bytes for the same version', async () => {
  const store = await nodes.withSpares(database);
  const [first, second] = [
    await nodes.viewOn(database, store, { now }),
    await nodes.viewOn(await anotherNode(database), nodes.storeOn(await anotherNode(database)), { now }),
  ];
  await rotateNow(store);
  for (const view of [first, second]) await view.refresh();
  expect(second.current().version).toBe(first.current().version);
  expect(jwksOf(second.current())).toBe(jwksOf(first.current()));
  expect(first.current().keys).toHaveLength(5);
});

test('K13 a node that is cut off signs for a bounded time and then answers that it is unavailable, until it is back', async () => {
  const store = breakable(await nodes.withSpares(database));
  const view = await nodes.viewOn(database, store, { now });
  const { sign } = signerOf(view.current());
  store.state.broken = true;
  clock += LIFETIME - 1;
  expect(Buffer.isBuffer(sign(input))).toBe(true);
  expect(view.isReady()).toEqual({ ready: true });
  clock += 1;
  store.state.looks = 0;
  const attempts = await Promise.allSettled(Array.from({ length: 50 }, async () => sign(input)));
  for (const attempt of attempts) {
    expect(attempt).toMatchObject({ status: 'rejected', reason: { code: 'unavailable', status: 503 } });
  }
  // One of them asked for all.
  expect(store.state.looks).toBeLessThanOrEqual(2);
  expect(view.isReady()).toMatchObject({ ready: false, problem: expect.stringMatching(/last confirmed 12 s ago/) });
  // What it publishes is still right to serve.
  expect(view.current().keys).toHaveLength(4);
  store.state.broken = false;
  expect(Buffer.isBuffer(await sign(input))).toBe(true);
  expect(view.isReady()).toEqual({ ready: true });
  expect(Buffer.isBuffer(sign(input))).toBe(true);
});

test('K8 a node whose engine does not get to use a newer version is not ready, and is again once it does', async () => {
  const store = await nodes.withSpares(database);
  const view = await nodes.viewOn(database, store, { now });
  let isBroken = true;
  const told: number[] = [];
  view.onChange(async ({ version }) => {
    if (isBroken) throw new Error('no engine');
    told.push(version);
  });
  await rotateNow(store);
  await expect(view.refresh()).rejects.toThrow('no engine');
  expect(view.isReady()).toEqual({ ready: true });
  clock += LIFETIME;
  // A look that was under way already, because the node was notified, began before that.
  for (const _ of [1, 2]) await expect(view.refresh()).rejects.toThrow('no engine');
  expect(view.isReady()).toMatchObject({ ready: false, problem: expect.stringContaining('does not get to use') });
  isBroken = false;
  await view.refresh();
  expect(told).toEqual([view.current().version]);
  expect(view.isReady()).toEqual({ ready: true });
});

test('a look counts from its beginning: an answer that was long under way confirms little', async () => {
  const store = await nodes.withSpares(database);
  let slow = 0;
  const view = await nodes.viewOn(
    database,
    {
      ...store,
      async readVersion() {
        const answer = await store.readVersion();
        clock += slow;
        return answer;
      },
    },
    { now },
  );
  slow = LIFETIME;
  await view.refresh();
  expect(view.isReady()).toMatchObject({ ready: false });
});

test('K13 an answer that never comes is waited for by nobody for long', async () => {
  const store = await nodes.withSpares(database);
  let hangs = false;
  const readVersion = () => (hangs ? new Promise<never>(() => {}) : store.readVersion());
  const view = await nodes.viewOn(database, { ...store, readVersion }, { now });
  const { sign } = signerOf(view.current());
  hangs = true;
  clock += LIFETIME;
  await expect((async () => sign(input))()).rejects.toMatchObject({ code: 'unavailable' });
  hangs = false;
  // Another look may have begun before; it is given up too.
  await until(async () => Buffer.isBuffer(await (async () => sign(input))().catch(() => undefined)));
});

test('K8 a revoked key signs no more, not even for a request that began before', async () => {
  const store = await nodes.withSpares(database);
  const view = await nodes.viewOn(database, store, { now });
  const before = view.current();
  const old = signerOf(before);
  await store.revoke({ kid: old.kid, reason: 'test' }, by);
  await view.refresh();
  await expect((async () => old.sign(input))()).rejects.toMatchObject({ code: 'unavailable' });
  const after = view.current();
  expect(after.keys.map(({ kid }) => kid)).not.toContain(old.kid);
  expect(Buffer.isBuffer(signerOf(after).sign(input))).toBe(true);
  // Others of the same engine go on.
  expect(Buffer.isBuffer(signerOf(before, 'EdDSA').sign(input))).toBe(true);
});

test('after a rotation a request ends with the key it began with, for as long as other nodes might have signed with it', async () => {
  const store = await nodes.withSpares(database);
  const view = await nodes.viewOn(database, store, { now });
  const before = view.current();
  const { before: oldKid, after: newKid } = await rotateNow(store);
  await view.refresh();
  expect([signerOf(before).kid, signerOf(view.current()).kid]).toEqual([oldKid, newKid]);
  expect(Buffer.isBuffer(signerOf(before).sign(input))).toBe(true);
  clock += LIFETIME;
  await expect((async () => signerOf(before).sign(input))()).rejects.toMatchObject({ code: 'unavailable' });
  // What still signs may sign for the old engine too, as soon as that is known.
  await view.refresh();
  expect(Buffer.isBuffer(signerOf(before, 'EdDSA').sign(input))).toBe(true);
});

test('keys that are archived verify hints, and are published and signed with no more', async () => {
  const store = await nodes.withSpares(database);
  const { before } = await rotateNow(store);
  await database.pool.query(`UPDATE signing_keys SET retired_at = now() - interval '1 day' WHERE kid = $1`, [before]);
  await store.advance();
  const set = (await nodes.viewOn(database, store, { now })).current();
  expect(set.hints.map(({ kid, sign }) => [kid, sign])).toEqual([[before, undefined]]);
  expect(jwksOf(set)).not.toContain(before);
});

test('a node listens for changes, where there are others to make them', async () => {
  await nodes.viewOn(database, await nodes.withSpares(database), { now });
  const listening = () =>
    database.pool.query(
      `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query ILIKE 'LISTEN%daemun_keys%'`,
    );
  for (let tries = 0; database.kind === 'postgresql' && (await listening()).rowCount === 0; tries++) {
    expect(tries).toBeLessThan(100);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
});

test('the private half of a key that retires is let go, while what began with it still ends', async () => {
  const store = await nodes.withSpares(database);
  const opened: string[] = [];
  const counting = {
    ...keyEncryption,
    open: (...of: Parameters<typeof keyEncryption.open>) => {
      opened.push(of[1]);
      return keyEncryption.open(...of);
    },
  };
  const view = await nodes.viewOn(database, store, { now, keyEncryption: counting });
  const { kid, sign } = signerOf(view.current());
  await rotateNow(store);
  await view.refresh();
  expect(Buffer.isBuffer(await sign(input))).toBe(true);
  expect(view.current().keys.find((key) => key.kid === kid)!.sign).toBeUndefined();
  expect(opened.filter((identity) => identity.includes(kid))).toHaveLength(1);
});

test('listeners are told of each version once and in order, and again when they failed', async () => {
  const store = await nodes.withSpares(database);
  const view = await nodes.viewOn(database, store, { now });
  const told: number[] = [];
  let fails = true;
  view.onChange(async ({ version }) => {
    if (fails) throw new Error('not now');
    told.push(version);
  });
  const { version } = view.current();
  await rotateNow(store);
  await view.refresh().catch(() => {});
  fails = false;
  await view.refresh();
  await view.refresh();
  expect(told).toEqual([version + 1]);
  await rotateNow(store, 'EdDSA');
  await view.refresh();
  expect(told).toEqual([version + 1, version + 2]);
});

test('without the key-encryption key of a row a node is not ready and says which; it publishes, and signs with what it can open', async () => {
  const store = await nodes.withSpares(database);
  const view = await nodes.viewOn(database, store, { now });
  const changed = createKeyEncryption([OTHER_KEK, KEK]);
  const ahead = nodes.storeOn(database, { keyEncryption: changed });
  // Twice: the spare that was there first is still sealed as before.
  await rotateNow(ahead);
  await rotateNow(ahead);
  await view.refresh();
  expect(view.isReady()).toMatchObject({ ready: false });
  const { problem } = view.isReady() as { problem: string };
  for (const part of [signerOf(view.current()).kid, changed.kekId, keyEncryption.kekId])
    expect(problem).toContain(part);
  expect(view.figures().warnings.map(({ kind }) => kind)).toContain('key_encryption_key_missing');
  expect(() => signerOf(view.current()).sign(input)).toThrow(expect.objectContaining({ code: 'unavailable' }));
  expect(Buffer.isBuffer(signerOf(view.current(), 'EdDSA').sign(input))).toBe(true);
  expect(view.current().keys.length).toBeGreaterThan(4);
});

test('after the start a node makes spares by itself, says how far it is, and takes its name away when it ends', async () => {
  const store = nodes.storeOn(database);
  const nodeId = '0198f0a0-0000-7000-8000-000000000001';
  const view = await nodes.viewOn(database, store, { nodeId });
  // The start made only what it needs.
  expect(view.current().keys.map(({ sign }) => Boolean(sign))).toEqual([true, true]);
  await until(async () => (await store.list()).nodes.some((node) => node.version === 3));
  expect(view.current().keys).toHaveLength(4);
  expect((await store.list()).nodes).toMatchObject([{ id: nodeId, version: 3, kekIds: [keyEncryption.kekId] }]);
  const { keys, nextTransitionIn, warnings, nodes: others } = view.figures();
  expect(keys.map(({ state }) => state).sort()).toEqual(['active', 'active', 'published', 'published']);
  expect(nextTransitionIn).toBeGreaterThan(DEFAULT_KEY_POLICY.rotationPeriod - 600);
  expect([warnings, others.length]).toEqual([[], 1]);
  await view.close();
  expect((await store.list()).nodes).toEqual([]);
});

test('a change that is due happens by itself, on whichever node is there', async () => {
  const store = await nodes.withSpares(database);
  const view = await nodes.viewOn(database, store);
  const [before] = view.current().keys;
  await database.pool.query(
    `UPDATE signing_keys SET activated_at = activated_at - interval '40 days', published_at = published_at - interval '40 days'`,
  );
  await database.pool.query('UPDATE key_set_version SET version = version + 1');
  await until(async () => signerOf(view.current()).kid !== before!.kid);
  const { keys } = await store.list();
  expect(keys.filter(({ state }) => state === 'active')).toHaveLength(2);
  expect(keys.find(({ kid }) => kid === before!.kid)).toMatchObject({ state: 'retiring' });
});

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 50));
}
